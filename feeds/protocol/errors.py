"""Errors of the client, with the venue's reason if it gave one."""

from typing import TYPE_CHECKING

from feeds.protocol.messages import Logout, Refusal, RefusalReason
from matching.records import Reason

if TYPE_CHECKING:
    from feeds.protocol.execution_reports import Report


class WireError(Exception):
    """Base of all errors of the wire; the message is one line."""


class NotConnected(WireError):
    """The session is not open, so nothing was sent."""


class NotAllowed(WireError):
    """The venue does not know this key, or not at this socket."""


class TimedOut(WireError):
    """No answer came in time. What was sent may still be executed; `reports` shows it then."""


class LogonRefused(WireError):
    """The venue did not open the session, or has ended it for good."""

    def __init__(self, logout: Logout) -> None:
        super().__init__(f"{logout.reason.name}: {logout.text}")
        self.reason: RefusalReason = logout.reason


class FrameRefused(WireError):
    """The gateway refused a frame or a message. A refused command uses up no user_ref."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"{refusal.reason.name}: {refusal.text}")
        self.reason: RefusalReason = refusal.reason
        self.refusal = refusal


REJECTED_BECAUSE = {
    Reason.MALFORMED: "a field is out of its range, or fields do not fit together",
    Reason.UNKNOWN_SESSION: "the session is not open in the machine",
    Reason.UNKNOWN_ACCOUNT: "there is no such account",
    Reason.NOT_ENTITLED: "the account is not the firm's, or only an operator may do this",
    Reason.ACCOUNT_HALTED: "the account is halted",
    Reason.UNKNOWN_INSTRUMENT: "it is not listed, or a block's hours or a basket are not",
    Reason.PHASE: "the instrument's phase does not allow it now",
    Reason.UNKNOWN_ORDER: "the session has no live order of this number",
    Reason.DUPLICATE_REF: "the session has a live order of this number",
    Reason.ORDER_TYPE: "not this type of order, or not in this phase",
    Reason.TIME_PAST: "its time has passed",
    Reason.BAND: "a price is outside the instrument's band",
    Reason.SIZE_LIMIT: "more lots than the account may order at once",
    Reason.NOTIONAL_LIMIT: "more money than the account may order at once",
    Reason.POSITION_LIMIT: "the position would be larger than the account may have",
    Reason.CAPACITY: "more than the account has registered and not sold",
    Reason.DEPOSIT: "the deposit for it is not free",
    Reason.FUNDS: "the account has not that much free money",
    Reason.SESSION_LIMIT: "the session has as many live orders, blocks or pages of refs as it may",
    Reason.POOL_FULL: "the venue has no room for more of these",
    Reason.POST_ONLY: "it would trade at once",
    Reason.FOK: "it cannot trade whole at once",
}
"""The machine's reasons in words. `matching/RULES.md` has the exact conditions by number."""


class OrderRejected(WireError):
    """The machine rejected a command; `report` has the reason."""

    def __init__(self, report: "Report") -> None:
        why = REJECTED_BECAUSE.get(report.reason, "")
        number = f" (refusal {report.reason} of the machine's rules)" if why else ""
        super().__init__(f"order {report.cl_ord_id}: {report.text}: {why}{number}")
        self.reason = report.reason
        self.report = report
