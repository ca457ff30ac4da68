"""`python -m bench conformance`: the hash of the reports on an order flow of the public benchmark.

tests/conformance/README.md gives the format of a flow and of the hashed text. A flow has neither
accounts nor money, so the accounts here have enough of both for all of its orders.
"""

import json
import zipfile
from collections.abc import Iterator
from enum import IntEnum
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
from numpy.typing import NDArray

from matching import COMMAND, EVENT, Engine, Limits
from matching.memory.layout import PAGE, TICKS_MAX
from matching.records import (
    FUNDED_MAX_FEN,
    POSITION_MAX,
    CommandFlag,
    CommandKind,
    EventKind,
    OrderType,
    Phase,
    Reason,
    Side,
    TimeInForce,
)

ARRAYS = ("type", "side", "ioc", "quantity", "order_id", "price_ticks")


class MessageType(IntEnum):
    """The type of a message, as flows have it; the index of its kind in KINDS."""

    NEW = 0
    CANCEL = 1
    MODIFY = 2


KINDS = np.array([CommandKind.NEW, CommandKind.CANCEL, CommandKind.REPLACE], np.uint8)
SESSION = INSTRUMENT = 1

Flow = dict[str, NDArray[np.int64]]
"""The arrays of a file by name, one element a message."""


class Outcome(NamedTuple):
    """Counts of a replayed flow, and the hash of its reports as text."""

    messages: int
    reports: int
    trades: int
    sha256: str


def read_flow(path: Path) -> Flow:
    """Return the arrays of a flow.

    Raises ValueError with the file and the array where the file is not a flow.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in ARRAYS}
    except KeyError as error:
        raise ValueError(f"{path}: a flow has the arrays {', '.join(ARRAYS)}: {error}") from None
    except (ValueError, EOFError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: not an .npz file of arrays: {error}") from None
    for name, array in arrays.items():
        if array.shape != (len(arrays["type"]),) or array.dtype.kind not in "iu":
            raise ValueError(f"{path}: `{name}` must hold one integer for each message")
    flow = {name: array.astype(np.int64) for name, array in arrays.items()}
    for name, low, high in (
        ("type", MessageType.NEW, MessageType.MODIFY),
        ("side", Side.BUY, Side.SELL),
        ("ioc", 0, 1),
        ("order_id", 1, 2**31),
    ):
        check_range(path, name, flow[name], low, high)
    priced = flow["type"] != MessageType.CANCEL
    check_range(path, "quantity", flow["quantity"][priced], 1, POSITION_MAX)
    check_range(path, "price_ticks", flow["price_ticks"][priced], 1, 2**31 - 1)
    return flow


def check_range(path: Path, name: str, values: NDArray[np.int64], low: int, high: int) -> None:
    """Raise ValueError unless all values lie between two bounds."""
    if len(values) and not low <= values.min() <= values.max() <= high:
        found = f"{values.min()} to {values.max()}"
        raise ValueError(f"{path}: `{name}` must be between {low} and {high}, got {found}")


def pairs_of(flow: Flow) -> int:
    """Return how many buyers (and sellers) must share the flow so that no position overflows."""
    lots = int(flow["quantity"][flow["type"] != MessageType.CANCEL].sum())
    return 1 + 4 * lots // POSITION_MAX


def build_engine(flow: Flow) -> Engine:
    """Return a machine that is just large enough, with one instrument in continuous trading.

    Raises ValueError where the prices of the flow do not fit into a band.
    """
    prices = flow["price_ticks"][flow["type"] != MessageType.CANCEL]
    low, high = (int(prices.min()), int(prices.max())) if len(prices) else (1, 1)
    if high - low >= TICKS_MAX:
        raise ValueError(f"flow: prices span {high - low + 1} ticks, a band at most {TICKS_MAX}")
    top = int(flow["order_id"].max(initial=0))
    news = int((flow["type"] == MessageType.NEW).sum())
    pairs = pairs_of(flow)
    engine = Engine(
        Limits(
            sessions=1,
            accounts=2 * pairs,
            instruments=1,
            orders=max(1, news),
            session_orders=max(1, news),
            refs=top + len(flow["type"]) + 2,
            ref_pages=max(1, min(news, top // PAGE + 1)),
            session_ref_pages=max(1, min(news, top // PAGE + 1)),
            ticks=high - low + 1,
        )
    )
    rows: list[dict[str, int]] = [
        {"kind": CommandKind.LIST, "price": low, "quantity": 1},
        {"kind": CommandKind.BAND, "price": low, "stop": high},
        {"kind": CommandKind.PHASE, "type": Phase.CONTINUOUS},
        {"kind": CommandKind.SESSION, "target_ref": SESSION, "account": 1},
    ]
    funds_fen = FUNDED_MAX_FEN // (2 * pairs)
    for account in range(1, 2 * pairs + 1):
        rows += [
            {"kind": CommandKind.ACCOUNT, "account": account, "target_ref": 1},
            {"kind": CommandKind.FUND, "account": account, "amount_fen": funds_fen},
            {"kind": CommandKind.REGISTER, "account": account, "quantity": POSITION_MAX},
        ]
    commands = np.zeros(len(rows), COMMAND)
    for command, row in zip(commands, rows, strict=True):
        command["instrument"] = INSTRUMENT
        for name, value in row.items():
            command[name] = value
    refused = engine.process(commands)["reason"].any()
    assert not refused, "the venue's own commands are accepted"
    return engine


def commands_of(flow: Flow) -> NDArray[np.void]:
    """Return the messages as `COMMAND[n]`.

    `sequence` is the number of the message, and the ref of an order its id.
    """
    kind, order_id = flow["type"], flow["order_id"]
    priced = kind != MessageType.CANCEL
    commands = np.zeros(len(kind), COMMAND)
    commands["sequence"] = np.arange(len(kind))
    commands["kind"] = KINDS[kind]
    commands["side"] = flow["side"]
    commands["price"] = np.where(priced, flow["price_ticks"], 0)
    commands["quantity"] = np.where(priced, flow["quantity"], 0)
    commands["session"] = SESSION
    commands["instrument"] = INSTRUMENT
    # Cancels and modifies need refs too: take them above those of all orders.
    own_ref = order_id.max(initial=0) + 1 + np.arange(len(kind))
    commands["user_ref"] = np.where(kind == MessageType.NEW, order_id, own_ref)
    commands["target_ref"] = np.where(kind == MessageType.NEW, 0, order_id)
    commands["account"] = 1 + flow["side"] + 2 * (order_id % pairs_of(flow))
    commands["type"] = np.where(kind == MessageType.NEW, OrderType.LIMIT, 0)
    ioc = (kind == MessageType.NEW) & (flow["ioc"] == 1)
    commands["tif"] = np.where(
        ioc, TimeInForce.IOC, np.where(kind == MessageType.NEW, TimeInForce.GTC, 0)
    )
    commands["flags"] = np.where(kind == MessageType.MODIFY, CommandFlag.REQUEUE, 0)
    return commands


def lines_of(events: NDArray[np.void]) -> Iterator[str]:
    """Yield the reports of events in their order; the two events of a trade are one report.

    Raises ValueError where the machine rejected a message for a reason that the format has not.
    """
    maker = 0
    for row in events[
        ["kind", "sequence", "side", "user_ref", "price", "quantity", "leaves", "reason",
         "flags", "target_ref"]
    ].tolist():  # fmt: skip
        kind, sequence, side, ref, price, quantity, leaves, reason, flags, target = row
        if kind == EventKind.ACCEPTED:
            yield f"0,{sequence},{side},{ref},{price},{quantity}"
        elif kind == EventKind.FILLED and not flags:
            maker = ref
        elif kind == EventKind.FILLED:
            yield f"1,{sequence},{price},{quantity},{maker},{ref}"
        elif kind == EventKind.CANCELLED:
            yield f"2,{sequence},{side},{ref},{price}"
        elif kind == EventKind.REPLACED:
            yield f"3,{sequence},{side},{ref},{price},{leaves}"
        elif reason == Reason.UNKNOWN_ORDER:
            # A cancel carries no quantity, a modify at least one.
            yield f"{5 if quantity else 4},{sequence},{target}"
        else:
            raise ValueError(f"flow: message {sequence} was rejected: {Reason(reason).name}")


def run_flow(flow: Flow) -> Outcome:
    """Play a flow on the engine, and hash its reports, sorted by message and kind."""
    events = build_engine(flow).process(commands_of(flow))
    assert events.dtype == EVENT
    numbered = [(int(line.split(",", 2)[1]), line) for line in lines_of(events)]
    numbered.sort(key=lambda pair: (pair[0], pair[1][0]))
    text = "\n".join(line for _, line in numbered)
    trades = int((events["kind"] == EventKind.FILLED).sum()) // 2
    digest = sha256(text.encode()).hexdigest()
    return Outcome(len(flow["type"]), len(numbered), trades, digest)


def expected_sha256(path: Path) -> str | None:
    """Return the hash that `expected.json` beside the file has for it, or None."""
    beside = path.with_name("expected.json")
    if not beside.is_file():
        return None
    entry: dict[str, Any] = json.loads(beside.read_bytes()).get(path.stem, {})
    return entry.get("sha256")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def conformance(file: Path, as_json: bool) -> None:
    """Hash the reports of an order flow, FILE.npz (format: tests/conformance/README.md).

    Where the folder has an expected.json that names the file, a different hash gives exit code 1.
    """
    try:
        outcome = run_flow(read_flow(file))
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    expected = expected_sha256(file)
    if as_json:
        click.echo(json.dumps({"file": str(file), **outcome._asdict(), "expected": expected}))
    else:
        click.echo(f"{file.stem}: {outcome.messages:,} messages, {outcome.reports:,} reports")
        click.echo(f"trades   {outcome.trades:,}")
        click.echo(f"sha256   {outcome.sha256}")
        click.echo(f"expected {expected or 'not known'}")
    if expected not in (None, outcome.sha256):
        raise click.exceptions.Exit(1)
