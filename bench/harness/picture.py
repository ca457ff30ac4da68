"""Picture of a harness result: throughput by scenario, as grouped bars."""

from pathlib import Path
from typing import Any

from bench.pictures import load_pyplot, save

COLOURS = ("#7a8793", "#a3adb5", "#c3cad0", "#dde1e5", "#d17a22", "#2a6f97")
SHOWN = ("CppTrader", "geseq/cpp-orderbook", "Kautenja", "liquibook", "Suanshi", "Suanshi, batches")
"""Engines in the picture: the peers, and ours with its own ring."""


def draw(result: dict[str, Any], path: Path) -> None:
    """Draw a group for each scenario, with a bar for each engine and its lowest and highest run.

    Raises ImportError where matplotlib is not installed.
    """
    pyplot = load_pyplot()
    rows = {(row["scenario"], row["engine"]): row for row in result["rows"]}
    scenarios = list(dict.fromkeys(scenario for scenario, _ in rows))
    engines = [name for name in SHOWN if any((s, name) in rows for s in scenarios)]
    figure, panel = pyplot.subplots(figsize=(10, 4.5), layout="constrained")
    width = 0.85 / len(engines)
    for place, name in enumerate(engines):
        groups = [at for at, scenario in enumerate(scenarios) if (scenario, name) in rows]
        found = [rows[scenarios[at], name] for at in groups]
        rates = [row["messages_per_s"] / 1e6 for row in found]
        spread = [
            [rate - row["least"] / 1e6 for rate, row in zip(rates, found, strict=True)],
            [row["most"] / 1e6 - rate for rate, row in zip(rates, found, strict=True)],
        ]
        at = [group + (place - (len(engines) - 1) / 2) * width for group in groups]
        bars = panel.bar(at, rates, width, yerr=spread, color=COLOURS[place], label=name)
        panel.bar_label(bars, fmt="%.1f", padding=2, fontsize=7)
    panel.set_xticks(range(len(scenarios)), scenarios)
    panel.set_ylabel("million messages a second")
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(frameon=False, ncols=3, fontsize=8)
    panel.margins(y=0.2)
    machine = result["machine"]
    title = (
        f"Public matching-engine benchmark, {machine['cpu']}, {machine['cores']} cores, "
        f"median and range of {result['rounds']} rounds, {machine['date']}"
    )
    save(figure, title, path)
