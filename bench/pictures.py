"""Pictures by matplotlib, of which the same data always give the same file."""

from pathlib import Path
from typing import Any


def load_pyplot() -> Any:
    """Return pyplot, set up to draw without a display. Raises ImportError without matplotlib."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "suanshi"
    from matplotlib import pyplot

    return pyplot


def save(figure: Any, title: str, path: Path) -> None:
    """Write a figure with a title; the suffix of the path gives the format."""
    figure.suptitle(title, fontsize=9)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    load_pyplot().close(figure)
