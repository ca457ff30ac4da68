"""Import the engine, match one order, and end: the program that `startup.py` times."""

import numpy as np

from matching import COMMAND, Engine, Limits
from matching.records import CommandKind, EventKind, OrderType, Phase, Side

ROWS: list[dict[str, int]] = [
    {"kind": CommandKind.LIST, "price": 100, "quantity": 1},
    {"kind": CommandKind.BAND, "price": 1, "stop": 200},
    {"kind": CommandKind.PHASE, "type": Phase.CONTINUOUS},
    {"kind": CommandKind.SESSION, "target_ref": 1, "account": 1},
    {"kind": CommandKind.ACCOUNT, "account": 1, "target_ref": 1},
    {"kind": CommandKind.ACCOUNT, "account": 2, "target_ref": 1},
    {"kind": CommandKind.FUND, "account": 1, "amount_fen": 1_000},
    {"kind": CommandKind.REGISTER, "account": 2, "quantity": 1},
]
ORDER = {"kind": CommandKind.NEW, "session": 1, "type": OrderType.LIMIT, "price": 100}


def main() -> None:
    """Match a buy and a sell order; fail unless they trade."""
    rows = [
        *ROWS,
        {**ORDER, "user_ref": 1, "account": 2, "side": Side.SELL},
        {**ORDER, "user_ref": 2, "account": 1, "side": Side.BUY},
    ]
    commands = np.zeros(len(rows), COMMAND)
    commands["instrument"] = 1
    for command, row in zip(commands, rows, strict=True):
        for name, value in row.items():
            command[name] = value
        if row["kind"] == CommandKind.NEW:
            command["quantity"] = 1
    events = Engine(Limits()).process(commands)
    assert (events["kind"] == EventKind.FILLED).sum() == 2, "one trade"


if __name__ == "__main__":
    main()
