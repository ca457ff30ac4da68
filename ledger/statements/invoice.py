"""Invoices, origins of postings, and aged receivables."""

from dataclasses import dataclass
from typing import Any

from ledger.books.database import Books
from ledger.books.errors import LedgerError, UnknownAccountError
from ledger.books.queries import statements


@dataclass(frozen=True)
class InvoiceLine:
    """A service agreement on an invoice, in fen."""

    agreement: int
    supplier: str
    contract: str
    delivery_day: str
    gross_fen: int  # delivered, VAT included
    voucher_fen: int  # paid by programmes
    net_fen: int  # paid by the buyer


@dataclass(frozen=True)
class Invoice:
    """A buyer's deliveries over a span of days. Prices include VAT."""

    account: str
    since: str
    until: str
    vat_bp: int
    lines: tuple[InvoiceLine, ...]
    gross_fen: int
    vat_fen: int  # contained in the gross amount
    without_vat_fen: int
    voucher_fen: int
    net_fen: int
    fees_fen: int


def invoice(books: Books, account: str, *, since: str, until: str, vat_bp: int) -> Invoice:
    """The invoice of an account for deliveries on the days of a span.

    VAT is in the price: gross x rate / (1 + rate), rounded half up on the total. Raises
    UnknownAccountError, and LedgerError for an invalid rate.
    """
    if not 0 <= vat_bp <= 10_000:
        raise LedgerError(f"VAT rate must be 0 to 10000 hundredths of a percent, got {vat_bp}")
    span = {"account": f"cash:{account}", "since": since, "until": until}
    if not books.scalar("SELECT count(*) FROM names WHERE name = $account", span):
        raise UnknownAccountError(f"{books.path}: no account `{account}`")
    rows = books.rows(statements("invoice")["lines"], span)
    lines = tuple(
        InvoiceLine(agreement, supplier, contract, day, gross, voucher, gross - voucher)
        for agreement, supplier, contract, day, gross, voucher in rows
    )
    gross = sum(line.gross_fen for line in lines)
    voucher = sum(line.voucher_fen for line in lines)
    vat = (2 * gross * vat_bp + 10_000 + vat_bp) // (2 * (10_000 + vat_bp))
    fees = int(books.scalar(statements("invoice")["fees"], span))
    return Invoice(
        account, since, until, vat_bp, lines, gross, vat, gross - vat, voucher, gross - voucher,
        fees,
    )  # fmt: skip


def drill_down(books: Books, posting: int) -> dict[str, Any]:
    """A posting with its batch, its agreement, and the trades and commands that caused it.

    A `difference`, `escrow` or `fee` comes from the account's trades in the instrument on that day;
    a deposit or withdrawal from its command; a delivery from its agreement. Raises LedgerError
    where there is no such posting.
    """
    found = books.records(statements("invoice")["posting"], {"posting": posting})
    if not found:
        raise LedgerError(f"{books.path}: no posting {posting}")
    line = found[0]
    line["trades"] = books.records(
        statements("invoice")["trades"],
        {"batch": line["batch"], "instrument": line["instrument"],
         "accounts": [line["from_account"], line["to_account"]]},
    ) if line["agreement"] is None else []  # fmt: skip
    line["deliveries"] = books.records(
        statements("invoice")["deliveries"], {"agreement": line["agreement"]}
    )
    return line


def aged_receivables(books: Books, until: str) -> list[dict[str, Any]]:
    """Debts of accounts at the end of a day, with the first day of each debt and its age.

    A debt that was paid in full starts anew with the first advance after that.
    """
    return books.records(statements("invoice")["receivables"], {"until": until})
