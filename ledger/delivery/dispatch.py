"""Dispatch: nomination of a delivery day, metered delivery, and payment of claims.

`nominate` closes the open positions of a delivery day and makes agreements. `deliver` pays from
escrow for what was metered. `claim` redeems and pays what programmes owe. Each writes one batch,
dated the last settled trading day.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from ledger.books.database import Books
from ledger.books.directory import DAY_S, day_number, day_start_s
from ledger.books.errors import InputError, LedgerError
from ledger.books.journal import journal_lines
from ledger.books.progress import Progress, no_progress
from ledger.books.queries import statements
from ledger.daylog.registry import Instrument, Registry
from ledger.delivery.agreements import (
    deliverable_positions,
    make_agreements,
    next_agreement_id,
    open_positions,
)
from ledger.delivery.block_trades import read_bought_blocks
from ledger.delivery.delivery_lines import (
    AgreementVouchers,
    OpeningState,
    deliver_lines,
    write_nomination,
)
from ledger.delivery.meter_files import Meterings
from ledger.vouchers.claims import redeem_and_pay, waiting_claims
from ledger.vouchers.decisions import read_prior_grants
from ledger.vouchers.open_batch import OpenBatch, begin_batch, close_batch
from ledger.vouchers.reservations import waiting_reservations

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class DeliveryResult:
    """Totals of a delivery, in fen, and the postings of its batch."""

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
    """Nominate the open positions of a delivery day; returns the number of agreements.

    `lines` receives the nominations: agreement, buyer, supplier, instrument, lots, value in fen.
    `registry` is that of the last settled trading day. Raises LedgerError where it is of another
    day, where an instrument of the delivery day still trades (its gate must close by the end of
    the trading day), and where nothing is open that is delivered on the day.
    """
    report = progress or no_progress
    with books.transaction(keep=not dry_run):
        registry = with_held_instruments(books, registry)
        batch = begin_batch(books, registry)
        _require_gates_closed(registry, day)
        delivered = np.array([day_number(day)], dtype=np.int64)
        report("nominations", 0, 2)
        positions = deliverable_positions(open_positions(books), batch.directory, delivered)
        if not len(positions["account"]):
            raise LedgerError(_nothing_open(books, day))
        bought = read_bought_blocks(books)
        found = make_agreements(positions, batch.directory, next_agreement_id(books), bought)
        left = books.arrays(statements("vouchers")["long_positions"], {"batch": 0})
        opening = OpeningState(
            read_prior_grants(books, batch.number), waiting_reservations(books), left
        )
        write_nomination(batch, found, opening)
        report("hashes", 1, 2)
        close_batch(batch, "nomination", f"nomination of {day}")
        if lines is not None:
            lines += books.rows(statements("metering")["nominated"], {"batch": batch.number})
    return len(found.agreements["id"])


def with_held_instruments(books: Books, registry: Registry) -> Registry:
    """The registry, with the instruments of open positions that it no longer lists, as the books
    have them: their delivery is over, and what was sold is still to be settled."""
    listed = {each.symbol for each in registry.instruments}
    number = max((each.id for each in registry.instruments), default=0)
    held = [
        Instrument(
            id=number + place, symbol=symbol, contract=contract, delivery_start_s=start_s,
            delivery_end_s=end_s, gate_s=gate_s,
        )
        for place, (symbol, contract, start_s, end_s, gate_s) in enumerate(
            (row for row in books.rows(statements("metering")["held"]) if row[0] not in listed), 1
        )
    ]  # fmt: skip
    return replace(registry, instruments=(*registry.instruments, *held))


def _nothing_open(books: Books, day: str) -> str:
    """The reason why nothing can be nominated for a day, with the days that have something."""
    days = [day for (day,) in books.rows(statements("metering")["open_delivery_days"])]
    others = f"what is open is delivered on {', '.join(days)}" if days else "nothing is open"
    return f"{books.path}: no open position is delivered on {day}; {others}"


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
) -> DeliveryResult:  # fmt: skip
    """Deliver a day's nominations as metered; what was not metered counts as not delivered.

    With `part`, agreements with hours that are not metered yet wait for a later file; their metered
    hours are recorded. Raises LedgerError where nothing of the day waits for delivery.
    """
    report = progress or no_progress
    with books.transaction(keep=not dry_run):
        batch = begin_batch(books, registry)
        report("meters", 0, 3)
        lines = books.arrays(statements("metering")["waiting"], {"day": day})
        if not len(lines["agreement"]):
            raise LedgerError(f"{books.path}: nothing is nominated for {day} that is not delivered")
        lines = _add_meterings(books, lines, meterings, day)
        if part:
            waits = np.unique(lines["agreement"][lines["metered"] == 2])
            chosen = ~np.isin(lines["agreement"], waits)
            lines = {name: column[chosen] for name, column in lines.items()}
        _write_meterings(batch, meterings)
        report("deliveries", 1, 3)
        done, _ = deliver_lines(batch, lines, _vouchers(batch, day, lines["agreement"]))
        report("hashes", 2, 3)
        close_batch(batch, "delivery", meterings.sha256)
        postings = tuple(journal_lines(books, (batch.number,)))
    return DeliveryResult(
        batch.number, len(lines["agreement"]), len(meterings.lines), int(done["value"].sum()),
        int(done["refund"].sum()), int(done["penalty"].sum()),
        sum(line[-1] for line in postings if line[2] == "voucher"), postings,
    )  # fmt: skip


def _add_meterings(books: Books, lines: Any, meterings: Meterings, day: str) -> Any:
    """The lines with the quantities of this file and of earlier ones."""
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
    if unknown := metered.keys() - known:
        raise InputError(f"meter file: agreement {min(unknown)[0]} is not delivered on {day}")
    return {
        **lines,
        "delivered_millionths": np.array([metered.get(key, 0) for key in keys]),
        "metered": np.array([1 if key in metered else 2 for key in keys]),
    }


def claim(
    books: Books, registry: Registry, *, dry_run: bool = False, lines: Lines | None = None,
    progress: Progress | None = None,
) -> tuple[int, int]:  # fmt: skip
    """Redeem and pay all waiting claims; returns their number and the paid fen.

    `lines` receives the postings.
    """
    report = progress or no_progress
    with books.transaction(keep=not dry_run):
        batch = begin_batch(books, registry)
        report("claims", 0, 2)
        judged = redeem_and_pay(batch, waiting_claims(books))
        if not judged:
            raise LedgerError(f"{books.path}: no claim waits")
        report("hashes", 1, 2)
        close_batch(batch, "claims", f"claims on {batch.day}")
        found = journal_lines(books, (batch.number,))
    if lines is not None:
        lines += found
    return judged, sum(line[-1] for line in found if line[2] == "claim")


def _write_meterings(batch: OpenBatch, meterings: Meterings) -> None:
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
        batch.books.run_with(columns, "metering", "write", batch=batch.number)


def _vouchers(batch: OpenBatch, day: str, agreements: Integers) -> AgreementVouchers:
    """Decisions on agreements of a day, with their programmes' rows in the registry."""
    found = batch.books.arrays(statements("metering")["vouchers"], {"day": day})
    chosen = np.isin(found["agreement"], agreements)
    found = {name: column[chosen] for name, column in found.items()}
    keys = zip(found["programme"].tolist(), found["version"].tolist(), strict=True)
    rows = batch.directory.programme_rows(keys, "vouchers")
    return AgreementVouchers(
        found["id"], found["agreement"], found["buyer"],
        rows, found["grant_fen"],
        found["turn"].astype(np.int64),
    )  # fmt: skip
