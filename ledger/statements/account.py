"""The trial balance, and the statement of an account.

A balance is what came in minus what went out. A pool's balance is negative: the amount that its
funder has paid. A receivable's balance is minus the amount that its account owes. All balances sum
to zero, because a posting takes from one account what it gives to another.
"""

import difflib
from dataclasses import dataclass
from typing import Any

from ledger.books.database import Books
from ledger.books.errors import UnknownAccountError
from ledger.books.queries import statements

END_OF_TIME = "9999-12-31"


@dataclass(frozen=True)
class Balance:
    """An account's line in the trial balance, in fen."""

    account: str
    in_fen: int
    out_fen: int
    balance_fen: int


@dataclass(frozen=True)
class TrialBalance:
    """All accounts at the end of a day; the total is zero, or the books are broken."""

    day: str | None  # the last day that counts; None: all
    accounts: tuple[Balance, ...]
    total_fen: int


@dataclass(frozen=True)
class Line:
    """One posting seen from one account; incoming amounts are positive."""

    posting: int
    batch: int
    day: str
    kind: str
    other: str
    instrument: str | None
    agreement: int | None
    amount_fen: int
    balance_fen: int  # after it


@dataclass(frozen=True)
class Statement:
    """An account's lines over a span of days, between opening and closing balance."""

    account: str
    since: str | None
    until: str | None
    opening_fen: int
    lines: tuple[Line, ...]
    closing_fen: int
    totals_fen: dict[str, int]  # by kind of posting


def trial_balance(
    books: Books, *, until: str | None = None, batch: int | None = None
) -> TrialBalance:
    """Balances of all accounts by name: at the end of day `until`, after a batch, or now.

    With a batch number, the balances are as they were then, before later corrections.
    """
    values = {"until": until or END_OF_TIME, "batch": 2**62 if batch is None else batch}
    rows = books.rows(statements("statement")["balances"], values)
    accounts = tuple(
        Balance(name, int(came), int(went), int(came - went)) for name, came, went in rows
    )
    return TrialBalance(until, accounts, sum(each.balance_fen for each in accounts))


def statement(
    books: Books, account: str, *, since: str | None = None, until: str | None = None
) -> Statement:
    """The statement of an account such as `cash:alice`; `alice` alone means its cash.

    Lines are in the order of the books, each with the balance after it. Raises UnknownAccountError,
    which names the nearest accounts.
    """
    name = _account_name(books, account)
    span = {"account": name, "since": since or "0001-01-01", "until": until or END_OF_TIME}
    opening_fen = int(books.scalar(statements("statement")["opening"], span))
    rows = books.rows(statements("statement")["lines"], {**span, "opening_fen": opening_fen})
    lines = tuple(Line(*row) for row in rows)
    totals_fen: dict[str, int] = {}
    for line in lines:
        totals_fen[line.kind] = totals_fen.get(line.kind, 0) + line.amount_fen
    closing_fen = lines[-1].balance_fen if lines else opening_fen
    return Statement(
        name, since, until, opening_fen, lines, closing_fen, dict(sorted(totals_fen.items()))
    )


def closing_cash_fen(books: Books) -> dict[str, int]:
    """Cash of every trading account after the last batch, by the account's name; zeros are left
    out.
    """
    return dict(books.rows(statements("statement")["cash"]))


def settlement_ticks(books: Books) -> dict[str, int]:
    """The latest settlement price of every traded instrument, by symbol."""
    return dict(books.rows(statements("statement")["prices"]))


def _account_name(books: Books, account: str) -> str:
    """The books' name of an account. Accounts of the registry have cash even before any posting."""
    known: set[Any] = {name for (name,) in books.rows(statements("statement")["names"])}
    for name in (account, f"cash:{account}"):
        if name in known:
            return name
    near = difflib.get_close_matches(account, sorted(known), n=3) or difflib.get_close_matches(
        f"cash:{account}", sorted(known), n=3
    )
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise UnknownAccountError(f"{books.path}: no account `{account}`{hint}")
