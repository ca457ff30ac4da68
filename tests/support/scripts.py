"""Short scripts of commands, run on kernel and reference, whose events must be equal."""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from matching import COMMAND, Engine, Limits
from matching.records import (
    NANOSECONDS,
    CommandFlag,
    CommandKind,
    EventKind,
    OrderType,
    Phase,
    Reason,
    Side,
    TimeInForce,
)
from matching.reference.engine import ReferenceEngine
from matching.state_tables import differences

Row = dict[str, int]

BUY, SELL = Side.BUY, Side.SELL
START_S = 1_700_000_000
LIMITS = Limits(
    sessions=4, accounts=4, instruments=3, orders=64, refs=4096, ref_pages=4, ticks=1024, events=16
)
MEMBER, OTHER_MEMBER, OPERATOR = 1, 2, 3
"""Sessions: of firm 1, which owns accounts 1 and 2; of firm 2, which owns 3; of an operator."""


class Answer(NamedTuple):
    """The events of one command."""

    kinds: list[str]
    reason: str  # of the first event, which answers the command
    events: NDArray[np.void]


def order(ref: int, side: int, price: int, quantity: int = 1, **fields: int) -> Row:
    """A new limit order, good till cancelled, of account 1 (buys) or 2 (sells)."""
    return {
        "kind": CommandKind.NEW,
        "type": OrderType.LIMIT,
        "tif": TimeInForce.GTC,
        "session": MEMBER,
        "account": 1 + side,
        "instrument": 1,
        "user_ref": ref,
        "side": side,
        "price": price,
        "quantity": quantity,
        **fields,
    }


def other(ref: int, side: int, price: int, quantity: int = 1, **fields: int) -> Row:
    """A new limit order of the other member's account."""
    return order(ref, side, price, quantity, session=OTHER_MEMBER, account=3, **fields)


def at(seconds: int, row: Row) -> Row:
    """The row so many seconds after the start of the script."""
    return row | {"time_ns": (START_S + seconds) * NANOSECONDS}


def target(kind: CommandKind, ref: int, **fields: int) -> Row:
    """A cancel or replace of one of the member's orders."""
    return {"kind": kind, "session": MEMBER, "user_ref": 4000, "target_ref": ref, **fields}


def venue(kind: CommandKind, **fields: int) -> Row:
    """An administrative command of the venue, for instrument 1 unless another is given."""
    return {"kind": kind, "instrument": 1, **fields}


def mass_cancel(scope: int, session: int = MEMBER, **fields: int) -> Row:
    """A mass cancel of a member, unless another session is given."""
    row = {"kind": CommandKind.MASS_CANCEL, "type": scope, "session": session, "user_ref": 5}
    return row | fields


def listing(
    number: int = 1, low: int = 1, high: int = 200, *, reference: int = 100, tick_fen: int = 1
) -> list[Row]:
    """List an instrument and open it for continuous trading."""
    return [
        venue(CommandKind.LIST, instrument=number, price=reference, quantity=tick_fen),
        venue(CommandKind.BAND, instrument=number, price=low, stop=high),
        venue(CommandKind.PHASE, instrument=number, type=Phase.CONTINUOUS),
    ]


def capacity(number: int, lots: int = 10**6) -> list[Row]:
    """Register capacity of all three accounts in an instrument."""
    return [
        venue(CommandKind.REGISTER, instrument=number, account=account, quantity=lots)
        for account in (1, 2, 3)
    ]


def sequence(number: int, before: int, longest: int = 168, **fields: int) -> Row:
    """Link an instrument's delivery period behind that of `before`."""
    return venue(
        CommandKind.SEQUENCE, instrument=number, target_ref=before, quantity=longest, **fields
    )


def head(low: int = 1, high: int = 200) -> list[Row]:
    """The setup of most scripts: one instrument in continuous trading, two firms with money and
    capacity."""
    rows = [
        *listing(1, low, high),
        venue(CommandKind.SESSION, target_ref=MEMBER, account=1),
        venue(CommandKind.SESSION, target_ref=OTHER_MEMBER, account=2),
        venue(CommandKind.SESSION, target_ref=OPERATOR, flags=CommandFlag.OPERATOR),
    ]
    for account, firm in ((1, 1), (2, 1), (3, 2)):
        rows += [
            venue(CommandKind.ACCOUNT, account=account, target_ref=firm),
            venue(CommandKind.FUND, account=account, amount_fen=10**12),
            venue(CommandKind.REGISTER, account=account, quantity=10**6),
        ]
    return rows


def as_commands(rows: list[Row]) -> NDArray[np.void]:
    """The rows as COMMANDs; a time is START_S unless given, as `time_ns`."""
    commands = np.zeros(len(rows), COMMAND)
    commands["time_ns"] = START_S * 10**9
    commands["sequence"] = np.arange(1, len(rows) + 1)
    for command, row in zip(commands, rows, strict=True):
        for name, value in row.items():
            command[name] = value
    return commands


def answers(*rows: Row, limits: Limits = LIMITS, setup: list[Row] | None = None) -> list[Answer]:
    """The answer to each row, after the setup (None: head); kernel and reference must agree."""
    commands = as_commands([*(head() if setup is None else setup), *rows])
    engines: tuple[Any, ...] = (ReferenceEngine(limits), Engine(limits))
    batched = Engine(replace(limits, events=16))
    found, parts = [], []
    for index in range(len(commands)):
        expected, events = (engine.process(commands[index : index + 1]) for engine in engines)
        assert events.tobytes() == expected.tobytes(), (index, expected, events)
        parts.append(expected.tobytes())
        found.append(_answer(expected))
    assert batched.process(commands).tobytes() == b"".join(parts)
    tables = [engine.state_tables() for engine in (*engines, batched)]
    assert differences(tables[0], tables[1]) == []
    assert differences(tables[0], tables[2]) == []
    return found[len(commands) - len(rows) :]


def _answer(events: NDArray[np.void]) -> Answer:
    kinds = [EventKind(kind).name for kind in events["kind"].tolist()]
    reason = Reason(events["reason"][0]).name if len(events) else "NONE"
    return Answer(kinds, reason, events)


def reasons(*rows: Row, limits: Limits = LIMITS, setup: list[Row] | None = None) -> list[str]:
    """The reason of each answer, NONE where the command was accepted."""
    return [answer.reason for answer in answers(*rows, limits=limits, setup=setup)]


def trades(answer: Answer) -> list[tuple[int, int, int, int]]:
    """Instrument, the maker's ref, price and quantity of each trade of an answer."""
    fills = answer.events[answer.events["kind"] == EventKind.FILLED][::2]
    names = ("instrument", "user_ref", "price", "quantity")
    return [(int(a), int(b), int(c), int(d)) for a, b, c, d in fills[[*names]].tolist()]
