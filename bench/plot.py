"""`python -m bench plot`: a picture of a result of `matching` or `harness`."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from bench.harness import picture as harness_picture
from bench.matching import picture as matching_picture

RESULTS = Path(__file__).parent / "results"


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
        picture = _picture_of(found)
    except (ValueError, TypeError):
        wanted = "`python -m bench matching` or `python -m bench harness`"
        raise click.UsageError(f"{result}: not the JSON of {wanted}") from None
    path = output or result.with_suffix(".svg")
    try:
        picture.draw(found, path)
    except ImportError:
        raise click.UsageError("drawing needs matplotlib: pip install matplotlib") from None
    click.echo(path)


def _picture_of(result: Any) -> ModuleType:
    """Return the module that draws a result. Raises ValueError or TypeError for other JSON."""
    if "harness" in result:
        return harness_picture
    if "workloads" in result:
        return matching_picture
    raise ValueError("no result")
