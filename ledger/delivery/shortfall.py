"""Shortfalls found after the delivery: the buyer is refunded, and subsidies shrink in proportion.

A finding states how much of a paid delivery was missing (or, without penalty, that a trade was
void). The supplier returns the value and pays the contract's penalty. A waiting claim is reduced.
Of a paid subsidy, the buyer returns to each funder the amount above paid x value now / value then,
rounded down; a supplier's yearly subsidy shrinks in the same way. What an account cannot pay at
once is a receivable, aged from that day.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ledger.books.database import Books
from ledger.books.errors import InputError
from ledger.books.journal import journal_lines
from ledger.books.names import PENALTIES
from ledger.books.progress import Progress, no_progress
from ledger.books.queries import statements
from ledger.daylog.registry import Registry
from ledger.delivery.delivery_lines import MILLION
from ledger.delivery.meter_files import Metering, Meterings
from ledger.vouchers.allocation import shares_of
from ledger.vouchers.open_batch import OpenBatch, begin_batch, close_batch


@dataclass(frozen=True)
class ShortfallResult:
    """Totals of findings, in fen, and the postings of their batch."""

    batch: int
    findings: int
    refund_fen: int
    penalty_fen: int
    clawback_fen: int
    owed_fen: int  # advanced, because cash did not suffice
    postings: tuple[tuple[Any, ...], ...]


def post_shortfalls(
    books: Books, registry: Registry, findings: Meterings, *, penalty: bool = True,
    dry_run: bool = False, progress: Progress | None = None,
) -> ShortfallResult:  # fmt: skip
    """Post findings, dated the last settled day; `registry` is that day's.

    Raises LedgerError where there is no finding, or where more is missing than was delivered.
    """
    if not findings.lines:
        raise InputError("findings: no line of the file counts")
    report = progress or no_progress
    agreements = sorted({each.agreement for each in findings.lines})
    with books.transaction(keep=not dry_run):
        batch = begin_batch(books, registry)
        report("findings", 0, len(findings.lines))
        refund, fined = _refund(batch, findings, agreements, penalty)
        _reduce_subsidies(batch, agreements, report)
        report("suppliers' subsidies", 0, 1)
        _reduce_supplier_grants(batch, agreements)
        report("hashes", 0, 1)
        close_batch(batch, "shortfall", findings.sha256)
        postings = tuple(journal_lines(books, (batch.number,)))
    sums = {kind: sum(line[-1] for line in postings if line[2] == kind) for kind in (
        "clawback", "advance")}  # fmt: skip
    return ShortfallResult(
        batch.number,
        len(findings.lines),
        refund,
        fined,
        sums["clawback"],
        sums["advance"],
        postings,
    )


_FINDING_COLUMNS = (
    "finding", "agreement", "instrument", "chip", "gpus", "available_s", "lost", "refund",
    "penalty", "buyer", "supplier",
)  # fmt: skip
"""Columns of a posted finding. The table `shortfalls` has all but the parties."""


def _refund(
    batch: OpenBatch, findings: Meterings, agreements: list[int], penalty: bool
) -> tuple[int, int]:
    """Refund the lost quantity of each finding; returns refunds and penalties in fen."""
    rows = batch.books.rows(statements("shortfall")["lines"], {"agreements": agreements})
    lines = {row[:2]: row[2:] for row in rows}
    lost = {key: line[3] for key, line in lines.items()}
    rows_found = []
    for each in findings.lines:
        key = (each.agreement, each.instrument)
        rows_found.append(_finding_row(each, lines[key], lost[key], penalty))
        lost[key] += each.delivered_millionths
    columns: dict[str, Any] = {
        name: np.array(values, dtype=object if name in ("finding", "chip") else np.int64)
        for name, values in zip(_FINDING_COLUMNS, zip(*rows_found, strict=True), strict=True)
    }
    written = {name: columns[name] for name in _FINDING_COLUMNS[:-2]}
    batch.books.run_with(written, "shortfall", "write", batch=batch.number)
    about = {"instrument": columns["instrument"], "agreement": columns["agreement"]}
    names, supplier = batch.directory.names, columns["supplier"]
    batch.journal.add("refund", supplier, columns["buyer"], columns["refund"], **about)
    batch.journal.add("penalty", supplier, names[PENALTIES], columns["penalty"], **about)
    return int(columns["refund"].sum()), int(columns["penalty"].sum())


def _finding_row(
    each: Metering, line: tuple[Any, ...], lost: int, penalty: bool
) -> tuple[Any, ...]:
    """A finding as `_FINDING_COLUMNS`, after `lost` millionths of earlier findings."""
    nominated, value_fen, delivered, _, buyer, supplier, penalty_bp = line
    before = delivered - lost
    left = before - each.delivered_millionths
    if left < 0:
        raise InputError(
            f"finding `{each.meter}`: agreement {each.agreement} lost {each.delivered_millionths} "
            f"millionths of a lot, of those delivered only {before} are left"
        )
    a_lot = value_fen // nominated  # exact: a value is quantity x price
    refund = before * a_lot // MILLION - left * a_lot // MILLION
    return (
        each.meter, each.agreement, each.instrument, each.chip, each.gpus, each.available_s,
        each.delivered_millionths, refund, refund * penalty_bp // 10_000 if penalty else 0, buyer,
        supplier,
    )  # fmt: skip


def _reduce_subsidies(batch: OpenBatch, agreements: list[int], report: Progress) -> None:
    """Reduce what programmes owe or paid for agreements to their remaining value."""
    books = batch.books
    rows = books.records(
        statements("shortfall")["subsidies"], {"agreements": agreements, "batch": batch.number}
    )
    for number, row in enumerate(rows):
        report("vouchers", number, len(rows))
        held = row["base_fen"] - row["gone_fen"]
        due = row["base_fen"] * row["now_fen"] // row["then_fen"]
        if due >= held:
            continue
        paid = row["state"] in ("consumed", "paid", "clawed-back")
        state = "clawed-back" if paid else ("reduced" if due else "released")
        one = np.array([row["id"]])
        batch.states.write(state, one, row["turn"] + 1, np.array([held - due]))
        if paid:
            _claw_back(batch, row, held, due)


def _claw_back(batch: OpenBatch, row: dict[str, Any], held: int, due: int) -> None:
    """Return to each funder the difference of its shares before and after."""
    funders = batch.books.rows(statements("shortfall")["funders"], row)
    weights = np.array([weight for _, weight in funders], dtype=np.int64)
    pools = np.array([pool for pool, _ in funders], dtype=np.int64)
    before, after = shares_of(np.array([held, due]), weights)
    batch.states.write_shares(np.full(len(pools), row["id"]), pools, after - before)
    back = np.maximum(before - after, 0)
    batch.journal.add("clawback", row["buyer"], pools, back, agreement=row["agreement"])
    odd = np.maximum(after - before, 0)  # a remaining fen may move to another funder
    batch.journal.add("clawback", pools, row["buyer"], odd, agreement=row["agreement"])


def _reduce_supplier_grants(batch: OpenBatch, agreements: list[int]) -> None:
    """Reduce suppliers' yearly subsidies by the part that the lost value had earned."""
    for row in batch.books.records(
        statements("shortfall")["share_outs"], {"agreements": agreements, "batch": batch.number}
    ):
        due = row["paid_fen"] * row["now_fen"] // row["then_fen"]
        back = np.array([row["left_fen"] - due])
        if back[0] <= 0:
            continue
        batch.journal.add("clawback", row["supplier"], row["pool"], back)
        columns = {
            "supplier": np.array([row["supplier"]]), "amount": np.array([row["now_fen"]]),
            "want": np.array([row["want_fen"]]), "fen": -back, "cut": np.array([1]),
        }  # fmt: skip
        batch.books.run_with(
            columns, "suppliers", "grants", batch=batch.number, programme=row["programme"],
            version=row["version"], year=row["year"], pool=row["pool"],
        )  # fmt: skip
