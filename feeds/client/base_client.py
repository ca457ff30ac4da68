"""What both clients share: the link, the reports as they come, and the answers that are awaited."""

import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import zmq
from numpy.typing import NDArray

from feeds.client.connection_file import Connection, read_connection, security_of
from feeds.client.market_connection import MarketLink
from feeds.client.order_connection import Link
from feeds.client.order_session import Dialogue
from feeds.protocol.commands import expiring
from feeds.protocol.errors import FrameRefused, OrderRejected
from feeds.protocol.execution_reports import Report, reports_of
from feeds.protocol.keys import Secret
from feeds.protocol.messages import Message, RefusalReason, Reply, pack
from feeds.transport.sockets import Security
from matching.records import EventKind

Records = NDArray[np.void]
REPORTS_KEPT = 1_000_000
"""Reports that nobody takes are kept up to this number; then the oldest go, and `lost` says so."""
LAST_MARKET_DATA_S = 2.0


class Broker:
    """A session without a way to wait: `Client` and `AsyncClient` add one each."""

    def __init__(
        self,
        connection: Connection | str | Path,
        key: Secret | str | Path,
        *,
        next_report: int = 0,
        cancel_on_disconnect: bool = False,
        valid_ms: int = 0,
        admin: bool = False,
    ) -> None:
        """`valid_ms`: orders that take longer to arrive are refused; 0: they stay valid."""
        if not isinstance(connection, Connection):
            connection = read_connection(Path(connection))
        self.connection = connection
        self.security: Security = security_of(
            connection, key if isinstance(key, Secret) else Path(key)
        )
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.dialogue = Dialogue(next_report=next_report, cancel_on_disconnect=cancel_on_disconnect)
        endpoint = connection.admin if admin else connection.orders
        self.link = Link(self.context, self.security, endpoint, self.dialogue)
        self._market: MarketLink | None = None
        self.lost = 0
        self.valid_ms = valid_ms
        self._inbox: deque[Report] = deque()
        self._awaited: dict[int, Report | None] = {}

    @property
    def is_connected(self) -> bool:
        """Whether the session is open now."""
        return self.dialogue.ack is not None

    @property
    def next_report(self) -> int:
        """The number of the next report that will be taken in: where to go on next time."""
        return self.dialogue.next_report

    def send(self, commands: Records) -> int:
        """Send commands without waiting for answers; returns the first one's user_ref.

        Raises NotConnected, and then nothing was sent.
        """
        self.link.pump()
        self.link.require()
        if self.valid_ms:
            assert self.dialogue.ack is not None
            ahead_ns = self.dialogue.ack.time_ns - self.dialogue.acked_ns
            expiring(commands, time.monotonic_ns() + ahead_ns + self.valid_ms * 1_000_000)
        first = self.dialogue.send(commands)
        self.link.flush()
        return first

    def say(self, message: Message) -> None:
        """Send a session message."""
        self.link.require()
        self.dialogue.outgoing.append(pack(message))
        self.link.flush()

    def arrays(self) -> Iterator[tuple[Records, int, int]]:
        """Reports as they came: EVENT array, number of the first, flags of the frame.

        For who takes in a great many; they do not come out of `reports` again.
        """
        while self.dialogue.reports:
            yield self.dialogue.reports.popleft()

    @property
    def market(self) -> MarketLink:
        """Market data; opened when first asked for."""
        if self._market is None:
            self._market = MarketLink(self.context, self.security, self.connection)
        return self._market

    def take(self) -> bool:
        """Take in and send out whatever can be now; whether anything was taken in."""
        took = self.link.pump()
        if self._market is not None:
            took = self._market.pump() or took
        return took

    def check(self) -> None:
        """Raise what ended the session.

        Market data comes over a socket of its own: it may tell the day's end a moment later.
        """
        ended = self.dialogue.ended
        if ended is not None and ended.reason == RefusalReason.DAY_OVER and self._market:
            late_s = time.monotonic() - self.dialogue.ended_s
            if late_s < LAST_MARKET_DATA_S and not self._market.is_over:
                return
        self.link.check()

    def close(self) -> None:
        """Log out and close."""
        if self._market is not None:
            self._market.close()
        self.link.close()
        self.context.destroy(200)

    def _send_awaited(self, commands: Records) -> int:
        ref = self.send(commands)
        self._awaited[ref] = None
        return ref

    def _sort(self) -> None:
        """Move what came in to where it is wanted."""
        for events, first, flags in self.arrays():
            for report in reports_of(events, first, flags):
                self._inbox.append(report)
                if self._awaited:
                    self._answer(report)
        while len(self._inbox) > REPORTS_KEPT:
            self._inbox.popleft()
            self.lost += 1

    def _answer(self, report: Report) -> None:
        ref = report.request_ref or report.cl_ord_id
        of_trade = report.kind in (EventKind.FILLED, EventKind.BUSTED)
        if not of_trade and ref in self._awaited and self._awaited[ref] is None:
            self._awaited[ref] = report

    def _answer_of(self, ref: int) -> Report | None:
        """The answer to an awaited command, if it is there; raises what says no."""
        self._sort()
        for refusal in list(self.dialogue.refusals):
            first = refusal.user_ref - refusal.index
            if refusal.user_ref and first <= ref < first + max(1, refusal.count + refusal.index):
                self.dialogue.refusals.remove(refusal)
                self._awaited.pop(ref, None)
                raise FrameRefused(refusal)
        report = self._awaited.get(ref)
        if report is None:
            return None
        del self._awaited[ref]
        if report.kind == EventKind.REJECTED:
            raise OrderRejected(report)
        return report

    def _reply(self) -> Reply | None:
        if self.dialogue.refusals:
            raise FrameRefused(self.dialogue.refusals.popleft())
        return self.dialogue.replies.popleft() if self.dialogue.replies else None

    def _status(self) -> Report | None:
        if self.dialogue.refusals:
            raise FrameRefused(self.dialogue.refusals.popleft())
        return self.dialogue.statuses.popleft() if self.dialogue.statuses else None
