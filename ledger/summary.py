"""A settled day in numbers: what a settlement returns, and the tables of a day's report."""

from dataclasses import dataclass
from typing import Any

from ledger.books import Books
from ledger.errors import LedgerError


@dataclass(frozen=True)
class Settlement:
    """What settling a day came to. Amounts in fen, quantities in lots."""

    day: str
    already_settled: bool
    dry_run: bool
    batches: tuple[int, ...]
    input_sha256: str
    sha256: str  # of the day's last batch: the head of the chain, if no day follows
    instruments: int  # that traded
    trades: int
    volume: int
    turnover_fen: int
    fees_fen: int  # of all fills, both sides
    deposits_fen: int
    withdrawals_fen: int
    delivered_fen: int  # paid out of escrow to suppliers
    agreements: int
    vouchers: int  # decisions that granted something
    vouchers_fen: int
    vouchers_fen_by_programme: dict[str, int]
    vouchers_fen_by_model: dict[str, int]
    voucher_bindings: dict[str, int]  # decisions by what they stopped at
    advances_fen: int
    postings: int
    trial_balance_fen: int  # sum of all balances: 0


@dataclass(frozen=True)
class InstrumentDay:
    """A traded instrument's day; prices in ticks, `settlement_ticks` the VWAP rounded half up."""

    instrument: str
    tick_fen: int
    trades: int
    volume: int
    turnover_fen: int
    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    settlement_ticks: int


@dataclass(frozen=True)
class AccountDay:
    """An account's day: what it bought and sold, its fees and vouchers, its closing cash."""

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
    """The numbers of a settled day, read from the books. Raises LedgerError if it is not there."""
    batches = books.rows(
        "SELECT id, input_sha256, sha256 FROM batches WHERE day = $day::DATE ORDER BY id",
        {"day": day},
    )
    if not batches:
        raise LedgerError(f"{books.path}: {day} is not settled")
    span = {"first": batches[0][0], "last": batches[-1][0]}
    kinds = _pairs(books, "SELECT kind, sum(amount_fen) FROM postings WHERE {} GROUP BY 1", span)
    models = _pairs(
        books, "SELECT model, sum(grant_fen) FROM vouchers WHERE {} GROUP BY 1 ORDER BY 1", span
    )
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
        vouchers=_count(books, "vouchers", span, "grant_fen > 0"),
        vouchers_fen=sum(models.values()),
        vouchers_fen_by_programme=_pairs(
            books,
            "SELECT programme, sum(grant_fen) FROM vouchers WHERE {} GROUP BY 1 ORDER BY 1",
            span,
        ),
        vouchers_fen_by_model=models,
        voucher_bindings=_pairs(
            books, "SELECT binding, count(*) FROM vouchers WHERE {} GROUP BY 1 ORDER BY 1", span
        ),
        advances_fen=kinds.get("advance", 0),
        postings=_count(books, "postings", span),
        trial_balance_fen=_trial_balance_fen(books),
    )


def instrument_days(books: Books, day: str, *, limit: int | None = None) -> list[InstrumentDay]:
    """The instruments that traded on a day, those with the greatest turnover first."""
    return [
        InstrumentDay(*row)
        for row in books.rows(
            """
            SELECT d.* EXCLUDE batch FROM instrument_days AS d
            JOIN batches AS b ON b.id = d.batch AND b.day = $day::DATE
            ORDER BY d.turnover_fen DESC, d.instrument LIMIT $limit
            """,
            {"day": day, "limit": 2**62 if limit is None else limit},
        )
    ]


def account_days(books: Books, day: str) -> list[AccountDay]:
    """Who paid and who earned on a day: all accounts of its registry, by name.

    What was bought and sold is the sum of the day's fills; vouchers are those paid by the day's
    batches; balances are those after its last batch.
    """
    from ledger.queries import statements

    rows = books.rows(statements("summary")["account_days"], {"day": day})
    return [AccountDay(*row) for row in rows]


def _trading(books: Books, span: dict[str, int]) -> dict[str, int]:
    ((instruments, trades, volume, turnover_fen),) = books.rows(
        "SELECT count(*), coalesce(sum(trades), 0), coalesce(sum(volume), 0), "
        "coalesce(sum(turnover_fen), 0) FROM instrument_days WHERE batch BETWEEN $first AND $last",
        span,
    )
    fees_fen = books.scalar(
        "SELECT coalesce(sum(buyer_fee_fen::BIGINT + seller_fee_fen), 0) FROM trades "
        "WHERE batch BETWEEN $first AND $last",
        span,
    )
    return {
        "instruments": int(instruments),
        "trades": int(trades),
        "volume": int(volume),
        "turnover_fen": int(turnover_fen),
        "fees_fen": int(fees_fen),
    }


def _pairs(books: Books, sql: str, span: dict[str, int]) -> dict[str, int]:
    rows = books.rows(sql.format("batch BETWEEN $first AND $last"), span)
    return {str(name): int(value) for name, value in rows}


def _count(books: Books, table: str, span: dict[str, int], condition: str = "true") -> int:
    return int(
        books.scalar(
            f"SELECT count(*) FROM {table} WHERE batch BETWEEN $first AND $last AND {condition}",
            span,
        )
    )


def _trial_balance_fen(books: Books) -> int:
    """Sum of all accounts' balances, each added up from its own side of the postings."""
    value: Any = books.scalar(
        """
        SELECT coalesce(sum(balance_fen), 0) FROM (
            SELECT to_account AS account, sum(amount_fen) AS balance_fen FROM postings GROUP BY 1
            UNION ALL
            SELECT from_account, -sum(amount_fen) FROM postings GROUP BY 1
        )
        """
    )
    return int(value)
