"""Totals of a day's fills by account, from the day log alone: an independent check of the books.

    python tests/support/independent_totals.py DAY.LOG        prints them as JSON

It reads the log's bytes with struct and numpy, runs the commands through the machine and adds up
fills, deposits and withdrawals. It shares no code with the ledger.
"""

import json
import struct
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

from matching.limits import Limits
from matching.records import COMMAND, EventKind

CELL, REFERENCE, COMMANDS = 64, 1, 2


def read_blocks(content):
    """The kind and the content of each block after the file's header."""
    at = CELL
    while at < len(content):
        magic, kind, _, length = struct.unpack_from("<8sIIQ", content, at)
        assert magic == b"SUANBLK\n", at
        size = length if kind == REFERENCE else length * CELL
        yield kind, content[at + CELL : at + CELL + size]
        at += CELL + -(-size // CELL) * CELL


def totals(path, machine=None):
    """Totals by account name: lots, and fen paid, received, of fees, deposited and withdrawn."""
    if machine is None:
        from matching.engine import Engine as machine  # noqa: N813
    sums = defaultdict(lambda: defaultdict(int))
    engine = names = tick_fen = None
    for kind, content in read_blocks(Path(path).read_bytes()):
        if kind == REFERENCE:
            registry = json.loads(content)
            engine = engine or machine(Limits(**registry["limits"]))
            names = {each["id"]: each["name"] for each in registry["accounts"]}
            ticks = {each["code"]: each["tick_fen"] for each in registry["contracts"]}
            tick_fen = {each["id"]: ticks[each["contract"]] for each in registry["instruments"]}
        elif kind == COMMANDS:
            events = engine.process(np.frombuffer(content, COMMAND))
            for event in events[np.isin(events["kind"], MONEY)]:
                add(sums[names[int(event["account"])]], event, tick_fen)
    return {name: dict(account) for name, account in sums.items()}


MONEY = [EventKind.FILLED, EventKind.FUNDED, EventKind.WITHDRAWN]


def add(account, event, tick_fen):
    """Add one event to the sums of its account, in Python's unbounded integers."""
    if event["kind"] == EventKind.FILLED:
        lots = int(event["quantity"])
        side = "sold" if event["side"] else "bought"
        account[side] += lots
        account[side + "_fen"] += lots * int(event["price"]) * tick_fen[int(event["instrument"])]
        account["fees_fen"] += int(event["fee_fen"])
    else:
        funded = event["kind"] == EventKind.FUNDED
        account["deposited_fen" if funded else "withdrawn_fen"] += int(event["amount_fen"])


if __name__ == "__main__":
    print(json.dumps(totals(sys.argv[1]), indent=2, sort_keys=True))
