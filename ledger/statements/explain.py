"""Explanation of a voucher decision in sentences."""

from dataclasses import dataclass
from typing import Any

from ledger.books.database import Books
from ledger.books.errors import LedgerError
from ledger.books.queries import statements


@dataclass(frozen=True)
class Explanation:
    """A decision with its inputs, and sentences that lead from them to the amount."""

    voucher: int
    inputs: dict[str, Any]
    sentences: tuple[str, ...]


def explain(books: Books, voucher: int) -> Explanation:
    """The explanation of a decision. Raises LedgerError where the books have no such line."""
    found = books.records(statements("explain")["decision"], {"voucher": voucher})
    if not found:
        raise LedgerError(f"{books.path}: no voucher line {voucher}")
    states = books.rows(statements("explain")["states"], {"voucher": voucher})
    shares = books.rows(statements("explain")["shares"], {"voucher": voucher})
    return Explanation(voucher, found[0], tuple(_sentences(found[0], states, shares)))


def _sentences(
    row: dict[str, Any], states: list[tuple[Any, ...]], shares: list[tuple[Any, ...]]
) -> list[str]:
    about = (
        f"Agreement {row['agreement']}: {row['buyer']} buys {row['contract']} for {row['day']} "
        f"from {row['supplier']}"
        if row["instrument"] is None
        else f"Reserved on the trade day: {row['buyer']} is long of {row['instrument']}, whose "
        "supplier is not known yet"
    )
    sentences = [
        f"{about}, worth {_cny(row['value_fen'])} at settlement prices.",
        f"It goes to programme {row['programme']}, version {row['version']}, which is in force "
        f"from {row['effective_from']}"
        + (f" until {row['effective_until']}" if row["effective_until"] else "")
        + f" and pays by the rule `{row['rule']}` as `{row['model']}`.",
    ]
    if row["spend_min_fen"] is not None:
        sentences.append(
            f"The programme asks for {_cny(row['spend_min_fen'])} spent in {row['year']}; before "
            f"this agreement the firm had spent {_cny(row['before_spend_fen'])}."
        )
    if row["tier"]:
        sentences.append("The programme serves other kinds of firm first.")
    sentences.append(
        f"Wanted: {row['rate_bp'] / 100:g}% of {_cny(row['base_fen'])} = {_cny(row['want_fen'])}, "
        "rounded down to the fen."
    )
    holder = ("firm-year", f"a firm in {row['year']}")
    if row["application"] is not None:
        holder = ("voucher", f"voucher {row['application']}")
    for name, what, cap, before in (
        ("agreement", "an agreement", row["agreement_cap_fen"], 0),
        (*holder, row["firm_cap_fen"], row["before_firm_fen"]),
        ("pool-year", f"the pool of {row['year']}", row["pool_cap_fen"], row["before_pool_fen"]),
    ):
        if cap is None:
            continue
        used = f", of which {_cny(before)} went before" if before else ""
        mark = " This is what it stopped at." if row["binding"] == name else ""
        sentences.append(
            f"Cap of {what}: {_cny(cap)}{used}; {_cny(max(cap - before, 0))} left.{mark}"
        )
    if row["binding"] == "voucher" and row["application"] is None:
        sentences.append(
            "The firm holds no issued voucher of that programme and year that covers it."
        )
    if row["funder_cap_fen"] is not None:
        sentences.append(f"The funders' own ceilings leave {_cny(row['funder_cap_fen'])} for all.")
    sentences.append(
        f"Granted: {_cny(row['grant_fen'])}, the least of these (stopped at: {row['binding']})."
    )
    sentences += [f"{pool} pays {_cny(fen)}." for pool, fen in shares]
    sentences += [f"{day}: {state}, {_cny(fen)}." for state, day, fen in states]
    return sentences


def _cny(fen: int) -> str:
    return f"{fen // 100:,}.{fen % 100:02} CNY"
