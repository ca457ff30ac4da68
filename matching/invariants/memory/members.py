"""Sessions and accounts in a machine's memory: shares, limits, money, protection of quotes."""

import numpy as np

from matching.admin.accounts import OWN_GROUP
from matching.invariants.memory.rows import COUNT_MAX, INT64_MAX, Integers, Memory, exact_sum
from matching.records import FUNDED_MAX_FEN, INT32_MAX, NANOSECONDS, POSITION_MAX, PROTECTION_MAX_S


def check_sessions(memory: Memory) -> None:
    """Session 0 is the venue's; the others are opened, with a firm unless an operator's."""
    venue = memory.rows("sessions", [0])
    for column in ("opened", "operator"):
        venue.require_range(column, 1, 1)
    for column in ("firm", "orders", "blocks", "ref_pages"):
        venue.require_range(column, 0, 0)
    rows = memory.rows("sessions")
    rows.require_range("opened", 1, 1)
    rows.require_range("operator", 0, 1)
    rows.require("firm", (rows["firm"] != 0) | (rows["operator"] != 0), "must be a firm")
    rows.require_no_others()


def check_shares(memory: Memory, orders: Integers, blocks: Integers, pages: Integers) -> None:
    """Orders, blocks and pages that count against a session's shares are those that it has, given
    by session, and no more than its shares."""
    rows = memory.rows("sessions")
    limits = memory.limits
    for column, counted, share in (
        ("orders", orders, limits.session_orders),
        ("blocks", blocks, limits.session_blocks),
        ("ref_pages", pages, limits.session_ref_pages),
    ):
        found = counted[rows.numbers]
        rows.require(column, rows[column] == found, "must be what the session has")
        rows.require(column, found <= share, f"must be within the share of {share}")


def check_accounts(memory: Memory) -> None:
    """Accounts are opened; limits act as they were set; money is funded, free, held or paid."""
    rows = memory.rows("accounts")
    rows.require("firm", (rows["firm"] != 0) & (rows.numbers != 0), "must be a firm")
    group = rows["group"]
    own = rows.numbers + OWN_GROUP
    is_group = (group >= 1) & ((group <= INT32_MAX) | (group == own))
    rows.require("group", is_group, "must be a group, or the account's own")
    rows.require_range("halted", 0, 1)
    for column, high in (("order", INT32_MAX), ("position", POSITION_MAX), ("notional", INT64_MAX)):
        rows.require_range(f"{column}_max", 0, high)
        most = rows[f"{column}_max"]
        acts = np.where(most == 0, high, most)
        rows.require(f"{column}_cap", rows[f"{column}_cap"] == acts, "must be as set, or the most")
    trader = np.where(rows["halted"] == 0, rows["firm"], 0)
    rows.require("trader", rows["trader"] == trader, "must be the firm, or 0 while halted")
    rows.require_no_others()
    money = ("funded", "free", "reserved", "deposit", "paid", "earned")
    for column in money:
        rows.require_range(column, 0, FUNDED_MAX_FEN)
    placed = rows["free"] + rows["reserved"] + rows["deposit"] + rows["paid"]
    rows.require("funded", rows["funded"] == placed, "must be free, reserved, deposit and paid")
    funded = exact_sum(rows["funded"])
    state = memory.state
    state.require("funded", state["funded"] == funded, f"must be the sum of accounts, {funded}")
    state.require_range("funded", 0, FUNDED_MAX_FEN)
    if exact_sum(rows["earned"]) > exact_sum(rows["paid"]):
        rows.require("earned", rows["earned"] == 0, "must not be more in sum than what was paid")


def check_holdings(memory: Memory, reserved: Integers, deposits: Integers) -> None:
    """An account reserves what its live orders hold, and its deposit is what its positions need,
    both given by account."""
    rows = memory.rows("accounts")
    holds = rows["reserved"] == reserved[rows.numbers]
    rows.require("reserved", holds, "must be what the account's live orders hold")
    holds = rows["deposit"] == deposits[rows.numbers]
    rows.require("deposit", holds, "must be what the account's positions need")


def check_protections(memory: Memory) -> None:
    """Protections are of opened accounts, have a bound and a time or neither, and have tripped
    where a bound is reached."""
    rows = memory.rows("protections")
    firm = memory.column("accounts", "firm")
    rows.require("window_ns", firm[rows.numbers] != 0, "must be of an opened account")
    rows.require("next", rows["next"] < len(firm), "must be an account, or 0")
    rows.require_range("tripped", 0, 1)
    rows.require_range("began_ns", 0, memory.number("now_ns"))
    has_bound = np.zeros(len(rows), bool)
    is_reached = np.zeros(len(rows), bool)
    for column, high in (("lots", INT32_MAX), ("fills", INT32_MAX), ("notional", INT64_MAX)):
        rows.require_range(f"{column}_max", 0, high)
        rows.require_range(column, 0, COUNT_MAX)
        most = rows[f"{column}_max"]
        has_bound |= most != 0
        is_reached |= (most != 0) & (most <= rows[column])
    window_s, rest = np.divmod(rows["window_ns"], NANOSECONDS)
    is_window = np.where(has_bound, (window_s >= 1) & (window_s <= PROTECTION_MAX_S), window_s == 0)
    rule = f"must be 1 to {PROTECTION_MAX_S} whole seconds if there is a bound, else 0"
    rows.require("window_ns", is_window & (rest == 0), rule)
    is_right = (rows["tripped"] != 0) == is_reached
    rows.require("tripped", is_right, "must be 1 if a bound is reached, else 0")
