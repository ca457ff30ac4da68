"""Picture of a matching result: rates, and ratios to the floor, by workload."""

from pathlib import Path
from typing import Any

from bench.pictures import load_pyplot, save

TARGETS = {
    "plain-10k": 0.30,
    "rich-10k": 0.22,
    "rich-100x1k": 0.10,
    "rich-1000x100": 0.08,
    "rich-1M": 0.04,
}
"""Target of the ratio to the floor, by workload."""

COLOURS = {"plain": "#2a6f97", "rich": "#d17a22"}


def draw(result: dict[str, Any], path: Path) -> None:
    """Draw rates and ratios in two panels, a bar for each workload.

    Raises ImportError where matplotlib is not installed.
    """
    pyplot = load_pyplot()
    rows, machine = result["workloads"], result["machine"]
    names = [row["workload"] for row in rows]
    colours = [COLOURS[name.partition("-")[0]] for name in names]
    figure, (speed, ratio) = pyplot.subplots(
        1, 2, sharey=True, figsize=(10, 0.8 + 0.42 * len(rows)), layout="constrained"
    )
    speeds = speed.barh(names, [row["commands_per_s"] / 1e6 for row in rows], color=colours)
    speed.bar_label(speeds, fmt="%.1f", padding=3)
    speed.set_xlabel("million commands a second, one core")
    ratio.barh(names, [row["ratio"] for row in rows], color=colours)
    ratio.set_xlabel("of the speed of copying 64 bytes; the mark is the target")
    for place, (name, row) in enumerate(zip(names, rows, strict=True)):
        ratio.annotate(  # inside the bar, away from its mark
            f"{row['ratio']:.2f}", (0, place), (4, 0), textcoords="offset points", va="center",
            color="white",
        )  # fmt: skip
        if name in TARGETS:
            ratio.vlines(TARGETS[name], place - 0.4, place + 0.4, color="black", lw=2)
    speed.invert_yaxis()
    for panel in (speed, ratio):
        panel.margins(x=0.15)
        panel.spines[["top", "right"]].set_visible(False)
    title = (
        f"Matching, {machine['cpu']}, Python {machine['python']}, numba {machine['numba']}, "
        f"{machine['date']}"
    )
    save(figure, title, path)
