"""What can go wrong for a broker, each with the venue's reason where there is one."""

from typing import TYPE_CHECKING

from feeds.messages import Logout, Refusal, RefusalReason

if TYPE_CHECKING:
    from feeds.reports import Report


class WireError(Exception):
    """Something about the wire, in one line."""


class NotConnected(WireError):
    """There is no session, so nothing was sent."""


class NotAllowed(WireError):
    """The venue does not know this key, or not for this."""


class TimedOut(WireError):
    """No answer in time; what was sent may still be answered, and `reports` will tell."""


class LogonRefused(WireError):
    """The venue does not open the session, or has ended it for good."""

    def __init__(self, logout: Logout) -> None:
        super().__init__(f"{logout.reason.name}: {logout.text}")
        self.reason: RefusalReason = logout.reason


class FrameRefused(WireError):
    """The gateway did not take an order; it used up no user_ref."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"{refusal.reason.name}: {refusal.text}")
        self.reason: RefusalReason = refusal.reason
        self.refusal = refusal


class OrderRejected(WireError):
    """The machine refused a command; `report` says why."""

    def __init__(self, report: "Report") -> None:
        super().__init__(f"order {report.cl_ord_id}: {report.text}")
        self.reason = report.reason
        self.report = report
