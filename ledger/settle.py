"""Settlement: a trading day's events become certified postings, in one transaction.

Two batches come of it. `settlement`: deposits and withdrawals, the differences to the day's
settlement prices, escrow, fees. `delivery`: nominations, service agreements, what escrow pays the
suppliers, vouchers. Settling the same day from the same input again changes nothing.
"""

from collections.abc import Callable, Iterable
from datetime import date

import numpy as np
from numpy.typing import NDArray

from ledger.batches import Head, next_batch, seal_batch
from ledger.books import Books
from ledger.directory import write_directory
from ledger.errors import DayOrderError, InputDiffersError, InputError
from ledger.fills import Fills, read_fills
from ledger.nomination import nominate
from ledger.registry import Registry
from ledger.summary import Settlement, summarise
from ledger.vouchers import decide_vouchers

Progress = Callable[[str, int, int], None]
"""Told the stage that begins, how many are done and how many there are."""

_STAGES = ("trades", "netting", "delivery", "vouchers", "hashes")

Events = NDArray[np.void] | Iterable[NDArray[np.void]]


def settle(
    books: Books,
    registry: Registry,
    events: Events,
    input_sha256: str,
    *,
    deliver: bool = True,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Settlement:
    """Settle the registry's trading day from the machine's events; the result in numbers.

    `input_sha256` names the input (the day log's hash). `deliver` takes all open positions in the
    registry's instruments as delivered in full; without it they are carried, with their escrow.
    `dry_run` rolls everything back and tells what would have been posted. Raises LedgerError: the
    day was settled from another input, a later day is settled, events and registry do not fit.
    Where the day is settled already, `events` is not looked at.
    """
    day = _trading_day(registry)
    _check_venue(books, registry.venue)
    if _is_settled(books, day, input_sha256):
        return summarise(books, day, already_settled=True)
    tell = progress or (lambda stage, done, total: None)
    tell(_STAGES[0], 0, len(_STAGES))
    fills = read_fills(events, registry)
    with books.transaction(keep=not dry_run):
        settlement = next_batch(books)
        _net(books, registry, fills, settlement, tell)
        tell("hashes", 4, len(_STAGES))
        seal_batch(books, settlement, Head("settlement", day, registry.venue, input_sha256))
        if deliver:
            _deliver(books, settlement, day, tell)
            head = Head("delivery", day, registry.venue, input_sha256)
            seal_batch(books, settlement + 1, head)
        result = summarise(books, day, dry_run=dry_run)
    tell("done", len(_STAGES), len(_STAGES))
    return result


def _trading_day(registry: Registry) -> str:
    try:
        return date.fromisoformat(registry.trading_day).isoformat()
    except ValueError as error:
        raise InputError(
            f"registry: trading day `{registry.trading_day}` is not a date YYYY-MM-DD"
        ) from error


def _check_venue(books: Books, venue: str) -> None:
    for (other,) in books.rows("SELECT DISTINCT venue FROM batches"):
        if other != venue:
            raise InputError(f"{books.path}: these are the books of {other}, not of {venue}")


def _is_settled(books: Books, day: str, input_sha256: str) -> bool:
    """Whether the day is settled from this input. Raises where it may not be settled at all."""
    rows = books.rows(
        "SELECT day::VARCHAR, input_sha256 FROM batches WHERE kind = 'settlement' ORDER BY day"
    )
    for settled_day, settled_input in rows:
        if settled_day == day and settled_input != input_sha256:
            raise InputDiffersError(
                f"{books.path}: {day} is settled from another input: the books have "
                f"{settled_input[:16]}..., this one is {input_sha256[:16]}..."
            )
    if any(settled_day == day for settled_day, _ in rows):
        return True
    if rows and rows[-1][0] > day:
        raise DayOrderError(f"{books.path}: {day} comes too late, {rows[-1][0]} is settled already")
    return False


def _net(books: Books, registry: Registry, fills: Fills, batch: int, tell: Progress) -> None:
    """The settlement batch, up to its seal."""
    day = registry.trading_day
    write_directory(books, batch, registry)
    names = ", ".join(fills.trades)
    books.load(
        f"INSERT INTO trades (batch, {names}) SELECT {batch}, {names} FROM columns", fills.trades
    )
    tell("netting", 1, len(_STAGES))
    books.run("posting", "begin")
    books.run("netting", "instrument_days", "positions", batch=batch, day=day)
    books.run_with(fills.transfers, "netting", "transfers", batch=batch)
    books.run("netting", "differences", "escrow", "fees", batch=batch)
    books.run("posting", "level", "post", batch=batch, day=day)


def _deliver(books: Books, settlement: int, day: str, tell: Progress) -> None:
    """The delivery batch, up to its seal."""
    batch = settlement + 1
    tell("delivery", 2, len(_STAGES))
    books.run("posting", "begin")
    books.run("delivery", "open_positions", settlement=settlement)
    _check_known(books)
    positions = books.arrays("SELECT book, quantity FROM open_positions ORDER BY k")
    pieces = nominate(positions["book"], positions["quantity"])
    books.run_with(pieces._asdict(), "delivery", "lines")
    books.run(
        "delivery", "agreements", "deliveries", "closed_positions", "postings",
        batch=batch, settlement=settlement,
    )  # fmt: skip
    tell("vouchers", 3, len(_STAGES))
    decide_vouchers(books, batch, settlement, day)
    books.run("posting", "level", "post", batch=batch, day=day)


def _check_known(books: Books) -> None:
    strange = books.rows("SELECT account, instrument FROM open_positions WHERE account_id IS NULL")
    if strange:
        account, instrument = strange[0]
        raise InputError(
            f"{books.path}: account {account!r} holds {instrument}, "
            "but the day's registry does not name the account"
        )
