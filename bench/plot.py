"""`python -m bench plot`: a picture of a result of `matching` or `harness`."""

import json
from pathlib import Path
from typing import Any

import click

from bench.harness import picture

RESULTS = Path(__file__).parent / "results"
TARGETS = {"plain-10k": 0.30, "rich-10k": 0.22, "rich-100x1k": 0.10, "rich-1000x100": 0.08}
TARGETS["rich-1M"] = 0.04
"""Target of the ratio to the floor, by workload."""

COLOURS = {"plain": "#2a6f97", "rich": "#d17a22"}


@click.command()
@click.argument(
    "result",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=RESULTS / "matching.json",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The picture; the suffix gives the format. Default: RESULT with .svg.",
)
def plot(result: Path, output: Path | None) -> None:
    """Draw RESULT, the JSON of `matching` or `harness`.

    For `matching`: commands a second, and the ratio to the floor. For `harness`: messages a second
    by scenario.
    """
    try:
        found = json.loads(result.read_bytes())
        rows = None if "harness" in found else found["workloads"]
    except (ValueError, KeyError, TypeError):
        wanted = "`python -m bench matching` or `python -m bench harness`"
        raise click.UsageError(f"{result}: not the JSON of {wanted}") from None
    path = output or result.with_suffix(".svg")
    try:
        if rows is None:
            picture.draw(found, path)
        else:
            draw(rows, found["machine"], path)
    except ImportError:
        raise click.UsageError("drawing needs matplotlib: pip install matplotlib") from None
    click.echo(path)


def draw(rows: list[dict[str, Any]], machine: dict[str, Any], path: Path) -> None:
    """Draw rates and ratios in two panels, a bar for each workload.

    The same rows give the same file. Raises ImportError where matplotlib is not installed.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "suanshi"
    from matplotlib import pyplot

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
    figure.suptitle(
        f"Matching, {machine['cpu']}, Python {machine['python']}, numba {machine['numba']}, "
        f"{machine['date']}",
        fontsize=9,
    )
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(figure)
