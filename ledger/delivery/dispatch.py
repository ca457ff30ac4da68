"""Dispatch: a day of delivery from nominations to metered deliveries and paid claims.

`nominate` closes the open positions of a delivery day and makes agreements; `deliver` takes what
was metered and pays out of escrow; `claim` redeems and pays what programmes owe. Each is one batch,
dated the last settled trading day.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ledger.books.batches import Head, next_batch, seal_batch
from ledger.books.database import Books
from ledger.books.directory import DAY_S, day_number, day_start_s, read_directory
from ledger.books.errors import DayOrderError, InputError, LedgerError
from ledger.books.journal import Journal
from ledger.books.names import FEES, PENALTIES, Names
from ledger.books.queries import statements
from ledger.daylog.registry import Registry
from ledger.delivery.agreements import bundle, next_agreement, open_positions, to_deliver
from ledger.delivery.block_trades import read_bought
from ledger.delivery.delivery_lines import Before, Vouchers, Work, deliver_lines, nominate_days
from ledger.delivery.meter_files import Meterings
from ledger.settle import Progress, check_venue, journal_lines, trading_day
from ledger.vouchers.claims import redeem_and_pay, waiting_claims
from ledger.vouchers.decisions import read_past
from ledger.vouchers.reservations import reserved
from ledger.vouchers.states import Lives

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Delivered:
    """What a delivery came to, in fen, and the postings of its batch."""

    batch: int
    lines: int
    metered: int  # lines of the meter file that count
    value_fen: int
    refund_fen: int
    penalty_fen: int
    vouchers_fen: int
    postings: tuple[tuple[Any, ...], ...]


Lines = list[tuple[Any, ...]]


def nominate(
    books: Books, registry: Registry, day: str, *, dry_run: bool = False,
    lines: Lines | None = None, progress: Progress | None = None,
) -> int:  # fmt: skip
    """Nominate what is to be delivered on a day; the number of agreements.

    `lines` gets what is nominated: agreement, buyer, supplier, instrument, lots, value in fen.
    `registry` is that of the last settled trading day. Raises LedgerError where that is another
    day, or where an instrument of the day still trades: its gate must have closed by the end of
    the trading day.
    """
    tell = progress or (lambda stage, done, total: None)
    with books.transaction(keep=not dry_run):
        work = begin(books, registry)
        _require_gates_closed(registry, day)
        delivered = np.array([day_number(day)], dtype=np.int64)
        tell("nominations", 0, 2)
        positions = to_deliver(open_positions(books), work.directory, delivered)
        bought = read_bought(books)
        found = bundle(positions, work.directory, next_agreement(books), bought)
        left = books.arrays(statements("vouchers")["long_positions"], {"batch": 0})
        before = Before(read_past(books, work.batch), reserved(books), left)
        nominate_days(work, found, before)
        tell("hashes", 1, 2)
        end(work, registry, "nomination", f"nomination of {day}")
        if lines is not None:
            lines += books.rows(statements("metering")["nominated"], {"batch": work.batch})
    return len(found.agreements["id"])


def _require_gates_closed(registry: Registry, day: str) -> None:
    """Raise LedgerError where an instrument of a delivery day trades after the trading day."""
    end_s = day_start_s(day_number(registry.trading_day) + 1)
    first_s = day_start_s(day_number(day))
    for each in registry.instruments:
        if first_s <= each.delivery_start_s < first_s + DAY_S and each.gate_s > end_s:
            raise LedgerError(
                f"nomination of {day}: {each.symbol} still trades after {registry.trading_day}: "
                "a day is nominated when all of its gates have closed"
            )


def deliver(
    books: Books, registry: Registry, day: str, meterings: Meterings, *, part: bool = False,
    dry_run: bool = False, progress: Progress | None = None,
) -> Delivered:  # fmt: skip
    """Deliver a day's nominations as metered; what was not metered counts as not delivered.

    With `part`, agreements of which not every hour is metered yet wait for a later file, and what
    was metered of them is kept. Raises LedgerError where nothing of the day waits for delivery.
    """
    tell = progress or (lambda stage, done, total: None)
    with books.transaction(keep=not dry_run):
        work = begin(books, registry)
        tell("meters", 0, 3)
        lines = books.arrays(statements("metering")["waiting"], {"day": day})
        if not len(lines["agreement"]):
            raise LedgerError(f"{books.path}: nothing is nominated for {day} that is not delivered")
        lines = _metered(books, lines, meterings, day)
        if part:
            waits = np.unique(lines["agreement"][lines["metered"] == 2])
            chosen = ~np.isin(lines["agreement"], waits)
            lines = {name: column[chosen] for name, column in lines.items()}
        _write_meterings(work, meterings)
        tell("deliveries", 1, 3)
        done, _ = deliver_lines(work, lines, _vouchers(work, day, lines["agreement"]))
        tell("hashes", 2, 3)
        end(work, registry, "delivery", meterings.sha256)
        postings = tuple(journal_lines(books, (work.batch,)))
    return Delivered(
        work.batch, len(lines["agreement"]), len(meterings.lines), int(done["value"].sum()),
        int(done["refund"].sum()), int(done["penalty"].sum()),
        sum(line[-1] for line in postings if line[2] == "voucher"), postings,
    )  # fmt: skip


def _metered(books: Books, lines: Any, meterings: Meterings, day: str) -> Any:
    """The lines with what this file and those before it metered of them."""
    keys = list(zip(lines["agreement"].tolist(), lines["instrument"].tolist(), strict=True))
    known = set(keys)
    metered = {
        (agreement, instrument): int(millionths)
        for agreement, instrument, millionths in books.rows(statements("metering")["kept"])
        if (agreement, instrument) in known
    }
    for each in meterings.lines:
        key = (each.agreement, each.instrument)
        metered[key] = metered.get(key, 0) + each.delivered_millionths
    if strange := metered.keys() - known:
        raise InputError(f"meter file: agreement {min(strange)[0]} is not delivered on {day}")
    return {
        **lines,
        "delivered_millionths": np.array([metered.get(key, 0) for key in keys]),
        "metered": np.array([1 if key in metered else 2 for key in keys]),
    }


def claim(
    books: Books, registry: Registry, *, dry_run: bool = False, lines: Lines | None = None,
    progress: Progress | None = None,
) -> tuple[int, int]:  # fmt: skip
    """Redeem and pay all claims that wait: how many were judged, and the fen paid.

    `lines` gets the postings, as in `settle`.
    """
    tell = progress or (lambda stage, done, total: None)
    with books.transaction(keep=not dry_run):
        work = begin(books, registry)
        tell("claims", 0, 2)
        judged = redeem_and_pay(work, waiting_claims(books))
        if not judged:
            raise LedgerError(f"{books.path}: no claim waits")
        tell("hashes", 1, 2)
        end(work, registry, "claims", f"claims on {work.day}")
        found = journal_lines(books, (work.batch,))
    if lines is not None:
        lines += found
    return judged, sum(line[-1] for line in found if line[2] == "claim")


def begin(books: Books, registry: Registry) -> Work:
    """A batch dated the last settled day; raises LedgerError where `registry` is another's."""
    day = trading_day(registry)
    check_venue(books, registry.venue)
    last = books.scalar("SELECT max(day)::VARCHAR FROM standing WHERE kind = 'settlement'")
    if last != day:
        raise DayOrderError(
            f"{books.path}: the last settled day is {last or 'none'}, not {day}; give its log"
        )
    names = Names(books)
    for name in (FEES, PENALTIES):
        names[name]
    directory = read_directory(registry, names)
    batch = next_batch(books)
    return Work(books, directory, Journal(books, names), Lives(books, batch, day), batch, day)


def end(work: Work, registry: Registry, kind: str, input_sha256: str) -> None:
    """Level, post and seal a batch."""
    work.journal.level()
    work.directory.names.write(work.books, work.batch)
    postings = work.journal.post(work.books, work.batch, work.day)
    head = Head(kind, work.day, registry.venue, input_sha256)
    known = {**work.known, **work.lives.known(), "postings": postings}
    seal_batch(work.books, work.batch, head, known)


def _write_meterings(work: Work, meterings: Meterings) -> None:
    if meterings.lines:
        columns = {
            "meter": np.array([each.meter for each in meterings.lines], dtype=object),
            "chip": np.array([each.chip for each in meterings.lines], dtype=object),
            "delivered": np.array([each.delivered_millionths for each in meterings.lines]),
            **{
                name: np.array([getattr(each, name) for each in meterings.lines])
                for name in ("agreement", "instrument", "gpus", "available_s")
            },
        }
        work.books.run_with(columns, "metering", "write", batch=work.batch)


def _vouchers(work: Work, day: str, agreements: Integers) -> Vouchers:
    """Decisions on agreements of a day, with the rows of their programmes in the registry."""
    found = work.books.arrays(statements("metering")["vouchers"], {"day": day})
    chosen = np.isin(found["agreement"], agreements)
    found = {name: column[chosen] for name, column in found.items()}
    names = work.directory.names
    rows = {
        (names[f"programme:{each.id}"], each.version): row
        for row, each in enumerate(work.directory.registry.programmes)
    }
    keys = list(zip(found["programme"].tolist(), found["version"].tolist(), strict=True))
    for programme, version in set(keys) - rows.keys():
        raise InputError(
            f"vouchers of programme {names.bare(programme)} version {version} wait, "
            "but the day's registry does not have that version"
        )
    return Vouchers(
        found["id"], found["agreement"], found["buyer"],
        np.array([rows[key] for key in keys], dtype=np.int64), found["grant_fen"],
        found["turn"].astype(np.int64),
    )  # fmt: skip
