"""Rules of the order gate: rate, role and accounts of each session."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from feeds.gateway.config import OrderToTradeLimit
from feeds.gateway.gate_layout import OPERATOR, ORDER_TO_TRADE, READ_ONLY, SESSION_RULE, TRADING
from feeds.protocol.keys import Entitlement
from matching.records import NANOSECONDS

MARK_REFS = 256
"""A report stream remembers its position once in so many user_refs."""

NO_LIMIT = 1 << 62
"""Commands left to a session where there is no order-to-trade limit."""

_ROLES = {"trading": TRADING, "operator": OPERATOR}


@dataclass(frozen=True)
class GateRules:
    """Rules of all sessions by number, and the accounts that a session is restricted to."""

    sessions: NDArray[np.void]  # SESSION_RULE[sessions + 1]
    accounts: NDArray[np.uint8]  # [sessions + 1, accounts + 1]: whether a session may use it
    ref_max: int
    order_to_trade: NDArray[np.void]  # ORDER_TO_TRADE[sessions + 1]
    limit: OrderToTradeLimit | None

    def entitle(self, session: int, entitlement: Entitlement) -> None:
        """Give a session the rights of an entitlement."""
        rule = self.sessions[session]
        rule["cost_ns"] = max(1, NANOSECONDS // entitlement.orders_per_s)
        rule["burst_ns"] = rule["cost_ns"] * entitlement.burst
        rule["role"] = _ROLES.get(entitlement.role, READ_ONLY)
        rule["account_row"] = session if entitlement.accounts else 0
        allowed = self.accounts[session]
        allowed[:] = 0
        allowed[[each for each in entitlement.accounts if each < len(allowed)]] = 1

    def charge(self, session: int, commands: int, now_ns: int) -> bool:
        """Take the cost of so many commands from a session's bucket; False if it is too much."""
        rule = self.sessions[session]
        due_ns = max(int(rule["due_ns"]), now_ns - int(rule["burst_ns"]))
        due_ns += commands * int(rule["cost_ns"])
        if due_ns > now_ns:
            return False
        rule["due_ns"] = due_ns
        return True

    def count_sent(self, sessions: NDArray[np.uint32]) -> None:
        """Count a command of each of these sessions that this gate did not admit."""
        np.subtract.at(self.order_to_trade["left"], sessions, 1)

    def commands_left(self, session: int) -> int:
        """Commands that a session may send before its new orders are refused; -1: no limit."""
        if self.limit is None:
            return -1
        return max(0, int(self.order_to_trade["left"][session]))

    def explain_limit(self, session: int) -> str:
        """The figures by which a session's new orders are refused, as a sentence."""
        assert self.limit is not None
        free, per_trade = self.limit.free, self.limit.per_trade
        left, trades = self.order_to_trade[session].tolist()
        return (
            f"{free + per_trade * trades - left:,} commands and {trades:,} trades today: {free:,} "
            f"commands are free, and {per_trade:,} more for each trade; only CANCEL and "
            "MASS_CANCEL are taken"
        )


def new_rules(
    sessions: int, accounts: int, ref_max: int, limit: OrderToTradeLimit | None = None
) -> GateRules:
    """Rules for sessions 0 to `sessions` that have no rights yet."""
    table = np.zeros(sessions + 1, SESSION_RULE)
    table["cost_ns"] = NANOSECONDS
    table["marked_ref"] = -MARK_REFS
    allowed = np.zeros((sessions + 1, accounts + 1), np.uint8)
    order_to_trade = np.zeros(sessions + 1, ORDER_TO_TRADE)
    order_to_trade["left"] = NO_LIMIT if limit is None else limit.free
    return GateRules(table, allowed, ref_max, order_to_trade, limit)
