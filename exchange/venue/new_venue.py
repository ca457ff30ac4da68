"""A new venue's folder: configuration, definition, members and keys, ready to be changed."""

import shutil
from pathlib import Path

from exchange.definition.contracts import DEFAULT_PATH
from exchange.definition.members import DEMO_PATH, read_members
from exchange.venue.config import read_config
from exchange.venue.day import keys_folder
from exchange.venue.errors import DayRefused
from feeds.protocol.keys import VENUE, new_pair

CONFIG_NAME = "venue.toml"
TEMPLATE = Path(__file__).parents[1] / "data" / "init" / CONFIG_NAME


def new_venue(folder: Path) -> Path:
    """Write a venue into a folder, which must be missing or empty; returns its configuration.

    It is the demonstration's, with keys of its own. Raises DayRefused, OSError.
    """
    if folder.exists() and any(folder.iterdir()):
        raise DayRefused(f"{folder}: is not empty; a new venue needs a folder of its own")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(DEFAULT_PATH, folder / "definition")
    shutil.copyfile(DEMO_PATH, folder / "members.toml")
    path = folder / CONFIG_NAME
    shutil.copyfile(TEMPLATE, path)
    config = read_config(path)
    keys = keys_folder(config)
    new_pair(keys, VENUE, role="market-data")
    for session in read_members(config.members).sessions:
        role = "operator" if session.operator else "trading"
        new_pair(keys, session.name, role=role, firm=session.firm)
    return path
