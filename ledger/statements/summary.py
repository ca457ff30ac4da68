"""Totals of a settled day: the result of a settlement, and the tables of a day's report."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from ledger.books.database import Books
from ledger.books.errors import LedgerError
from ledger.books.schema import enum_values

_DAY = """WHERE batch IN (
    SELECT id FROM standing WHERE day = $day::DATE AND kind IN ('settlement', 'delivery'))"""
"""Condition for rows of the day's settlement and delivery."""


@dataclass(frozen=True)
class Settlement:
    """Totals of a settled day. Amounts in fen, quantities in lots."""

    day: str
    already_settled: bool
    dry_run: bool
    batches: tuple[int, ...]
    input_sha256: str
    sha256: str  # of the day's last batch
    instruments: int  # that traded
    trades: int
    volume: int
    turnover_fen: int
    fees_fen: int  # of all fills, both sides
    deposits_fen: int
    withdrawals_fen: int
    delivered_fen: int  # paid from escrow to suppliers
    agreements: int
    vouchers: int  # decisions with a grant
    vouchers_fen: int
    vouchers_fen_by_programme: dict[str, int]
    vouchers_fen_by_model: dict[str, int]
    voucher_bindings: dict[str, int]  # decisions by the limit that they stopped at
    advances_fen: int
    postings: int
    trial_balance_fen: int  # sum of all balances: 0


@dataclass(frozen=True)
class InstrumentDay:
    """A traded instrument's day. Prices are in ticks, of trades in the book. `settlement_ticks` is
    the VWAP rounded half up, or the last price without such trades.
    """

    instrument: str
    tick_fen: int
    trades: int
    volume: int
    turnover_fen: int
    open_ticks: int | None
    high_ticks: int | None
    low_ticks: int | None
    close_ticks: int | None
    settlement_ticks: int


@dataclass(frozen=True)
class AccountDay:
    """An account's day: bought and sold quantities, fees, vouchers, closing cash."""

    account: str
    role: str
    firm: str
    bought: int
    bought_fen: int
    sold: int
    sold_fen: int
    fees_fen: int
    vouchers_fen: int
    cash_fen: int  # at the end of the day
    receivable_fen: int  # owed to the venue at the end of the day


def summarise(
    books: Books, day: str, *, already_settled: bool = False, dry_run: bool = False
) -> Settlement:
    """Totals of a settled day, read from the books. Raises LedgerError where the day is not
    settled.
    """
    batches = books.rows(
        "SELECT id, input_sha256, sha256 FROM standing WHERE day = $day::DATE "
        "AND kind IN ('settlement', 'delivery') ORDER BY id",
        {"day": day},
    )
    if not batches:
        raise LedgerError(f"{books.path}: {day} is not settled")
    span = {"day": day}
    postings, kinds = _postings(books, span)
    return Settlement(
        day=day,
        already_settled=already_settled,
        dry_run=dry_run,
        batches=tuple(batch for batch, _, _ in batches),
        input_sha256=batches[0][1],
        sha256=batches[-1][2],
        **_trading(books, span),
        deposits_fen=kinds.get("deposit", 0),
        withdrawals_fen=kinds.get("withdrawal", 0),
        delivered_fen=kinds.get("delivery", 0),
        agreements=_count(books, "agreements", span),
        **_vouchers(books, span),
        advances_fen=kinds.get("advance", 0),
        postings=postings,
        trial_balance_fen=_trial_balance_fen(books),
    )


def instrument_days(books: Books, day: str, *, limit: int | None = None) -> list[InstrumentDay]:
    """Instruments that traded on a day, by decreasing turnover."""
    return [
        InstrumentDay(*row)
        for row in books.rows(
            """
            SELECT substr(n.name, 8), d.* EXCLUDE (batch, instrument) FROM instrument_days AS d
            JOIN standing AS b ON b.id = d.batch AND b.day = $day::DATE
            JOIN names AS n ON n.id = d.instrument
            ORDER BY d.turnover_fen DESC, n.name LIMIT $limit
            """,
            {"day": day, "limit": 2**62 if limit is None else limit},
        )
    ]


def account_days(books: Books, day: str) -> list[AccountDay]:
    """All accounts of a day's registry, by name, with what they paid and received.

    Bought and sold quantities are sums of the day's fills; vouchers are those paid by the day's
    batches; balances are those after its last batch.
    """
    from ledger.books.queries import statements

    rows = books.rows(statements("summary")["account_days"], {"day": day})
    return [AccountDay(*row) for row in rows]


def _trading(books: Books, span: dict[str, str]) -> dict[str, Any]:
    ((instruments, trades, volume, turnover_fen),) = books.rows(
        "SELECT count(*), coalesce(sum(trades), 0), coalesce(sum(volume), 0), "
        "coalesce(sum(turnover_fen), 0) FROM instrument_days " + _DAY,
        span,
    )
    fees_fen = books.scalar(
        "SELECT coalesce(sum(fen), 0) FROM ("
        f"SELECT sum(buyer_fee_fen::BIGINT + seller_fee_fen) AS fen FROM trades {_DAY} UNION ALL "
        f"SELECT -sum(buyer_fee_fen::BIGINT + seller_fee_fen) FROM busts {_DAY})",
        span,
    )
    return {
        "instruments": int(instruments),
        "trades": int(trades),
        "volume": int(volume),
        "turnover_fen": int(turnover_fen),
        "fees_fen": int(fees_fen),
    }


def _postings(books: Books, span: dict[str, str]) -> tuple[int, dict[str, int]]:
    """Number of postings, and the fen of each kind."""
    rows = books.rows(
        f"SELECT kind, count(*), sum(amount_fen) FROM postings {_DAY} GROUP BY 1 ORDER BY 1",
        span,
    )
    return sum(count for _, count, _ in rows), {str(kind): int(fen) for kind, _, fen in rows}


def _vouchers(books: Books, span: dict[str, str]) -> dict[str, Any]:
    """Grants by programme and by model, and the limits at which decisions stopped."""
    rows = books.rows(
        "SELECT substr(n.name, 11), model::VARCHAR, binding::VARCHAR, count(*), "
        "count(*) FILTER (grant_fen > 0), sum(grant_fen) "
        f"FROM (FROM vouchers {_DAY}) JOIN names AS n ON n.id = programme GROUP BY ALL",
        span,
    )
    by_programme, by_model, bindings = Counter[str](), Counter[str](), Counter[str]()
    for programme, model, binding, count, _, fen in rows:
        by_programme[programme] += int(fen)
        by_model[model] += int(fen)
        bindings[binding] += count
    return {
        "vouchers": sum(row[4] for row in rows),
        "vouchers_fen": by_model.total(),
        "vouchers_fen_by_programme": dict(sorted(by_programme.items())),
        "vouchers_fen_by_model": _in_order(by_model, "payment_model"),
        "voucher_bindings": _in_order(bindings, "voucher_binding"),
    }


def _in_order(counted: Counter[str], enumeration: str) -> dict[str, int]:
    return {name: counted[name] for name in enum_values(enumeration) if name in counted}


def _count(books: Books, table: str, span: dict[str, str]) -> int:
    return int(books.scalar(f"SELECT count(*) FROM {table} {_DAY}", span))


def _trial_balance_fen(books: Books) -> int:
    """Sum of all accounts' balances; the audit checks each against the postings."""
    value: Any = books.scalar(
        """
        SELECT coalesce(sum(fen), 0) FROM (
            SELECT arg_max(balance_fen, batch) AS fen FROM balances GROUP BY account
        )
        """
    )
    return int(value)
