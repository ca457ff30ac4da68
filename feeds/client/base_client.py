"""Base of both clients: the connections, the queues of what came, and the answers that are awaited.

It never waits. `Client` and `AsyncClient` add a way to wait, and share the operations of
`feeds.client.operations`.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypedDict, TypeVar

import numpy as np
import zmq
from numpy.typing import NDArray

from feeds.client.awaited_answers import AwaitedAnswers
from feeds.client.connection_file import Connection, read_connection, security_of
from feeds.client.market_connection import MarketConnection
from feeds.client.order_connection import OrderConnection
from feeds.client.order_session import OrderSession
from feeds.protocol.commands import set_valid_until
from feeds.protocol.errors import TimedOut
from feeds.protocol.execution_reports import Report, decode_reports
from feeds.protocol.keys import Secret
from feeds.protocol.messages import Message, RefusalReason, pack
from feeds.transport.sockets import Security, Socket

T = TypeVar("T")
Records = NDArray[np.void]
TIMEOUT_S = 10.0
REPORTS_KEPT = 1_000_000
"""Unread reports are kept up to this number; then the oldest are dropped, and `lost` grows."""
LAST_MARKET_DATA_S = 2.0


class ClientOptions(TypedDict, total=False):
    """Options of a client; see `BaseClient`."""

    next_report: int
    cancel_on_disconnect: bool
    valid_ms: int
    admin: bool


class BaseClient:
    """A session and its market data, without a way to wait."""

    timeout_s = TIMEOUT_S

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
        """Begin to connect; the logon follows while the client waits for something.

        `connection` and `key` are files or their contents. `next_report` is the first report
        wanted; 0: new reports only. With `cancel_on_disconnect` the venue cancels all orders when
        the session ends. `valid_ms`: the venue refuses a command that arrives later than this after
        it was sent; 0: never. `admin`: connect to the operators' socket.
        """
        if not isinstance(connection, Connection):
            connection = read_connection(Path(connection))
        self.connection = connection
        self.security: Security = security_of(
            connection, key if isinstance(key, Secret) else Path(key)
        )
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.session = OrderSession(
            next_report=next_report, cancel_on_disconnect=cancel_on_disconnect
        )
        endpoint = connection.admin if admin else connection.orders
        self.order_connection = OrderConnection(self.context, self.security, endpoint, self.session)
        self.answers = AwaitedAnswers()
        self.lost = 0
        self.valid_ms = valid_ms
        self._market: MarketConnection | None = None
        self._inbox: deque[Report] = deque()

    @property
    def is_connected(self) -> bool:
        """Whether the session is open now."""
        return self.session.ack is not None

    @property
    def next_report(self) -> int:
        """Number of the next report to come: where a later client goes on."""
        return self.session.next_report

    @property
    def market(self) -> MarketConnection:
        """Market data; the sockets are opened at the first use."""
        if self._market is None:
            self._market = MarketConnection(self.context, self.security, self.connection)
        return self._market

    def send(self, commands: Records) -> int:
        """Send commands without waiting for answers; returns the first one's user_ref.

        Raises NotConnected if the session is not open; then nothing was sent.
        """
        self.order_connection.pump()
        self.order_connection.require_logon()
        if self.valid_ms:
            assert self.session.ack is not None
            ahead_ns = self.session.ack.time_ns - self.session.acked_ns
            set_valid_until(commands, time.monotonic_ns() + ahead_ns + self.valid_ms * 1_000_000)
        first = self.session.send(commands)
        self.order_connection.flush()
        return first

    def send_message(self, message: Message) -> None:
        """Send a session message. Raises NotConnected if the session is not open."""
        self.order_connection.require_logon()
        self.session.outgoing.append(pack(message))
        self.order_connection.flush()

    def arrays(self) -> Iterator[tuple[Records, int, int]]:
        """Reports as they came: EVENT[n], number of the first report, flags of the frame.

        For programs that read very many reports. These do not come out of `reports` again.
        """
        while self.session.reports:
            yield self.session.reports.popleft()

    def pump_sockets(self) -> bool:
        """Receive and send all that is possible now; whether anything was received."""
        received = self.order_connection.pump()
        if self._market is not None:
            received = self._market.pump() or received
        return received

    def dispatch_reports(self) -> None:
        """Move the reports that came to the queue of `reports` and to the answers awaited."""
        for events, first, flags in self.arrays():
            for report in decode_reports(events, first, flags):
                self._inbox.append(report)
                self.answers.receive_report(report)
        while len(self._inbox) > REPORTS_KEPT:
            self._inbox.popleft()
            self.lost += 1

    def dispatch_replies(self) -> None:
        """Move the messages and order statuses that came to the answers awaited.

        A refusal that nobody awaits stays in `session.refusals`.
        """
        session = self.session
        while session.statuses:
            self.answers.receive_status(session.statuses.popleft())
        while session.replies:
            self.answers.receive_reply(session.replies.popleft())
        if session.refusals:
            kept = [each for each in session.refusals if not self.answers.receive_refusal(each)]
            session.refusals.clear()
            session.refusals.extend(kept)

    def next_unread(self) -> Report | None:
        """Remove and return the oldest report in the queue of `reports`; None if it is empty."""
        if not self._inbox:
            self.dispatch_reports()
        return self._inbox.popleft() if self._inbox else None

    def check(self) -> None:
        """Raise the error that ended the session, if one did.

        Market data has a socket of its own, where the end of the day may come a moment later. So
        this end is not raised until then, for at most `LAST_MARKET_DATA_S`.
        """
        ended = self.session.ended
        if ended is not None and ended.reason == RefusalReason.DAY_OVER and self._market:
            late_s = time.monotonic() - self.session.ended_s
            if late_s < LAST_MARKET_DATA_S and not self._market.is_over:
                return
        self.order_connection.check()

    def attempt(self, found: Callable[[], T | None]) -> T | None:
        """Pump the sockets, then evaluate `found`. Raises the session's end if it gives None."""
        self.pump_sockets()
        value = found()
        if value is None:
            self.check()
        return value

    def sockets(self) -> list[Socket]:
        """The sockets at which input may arrive."""
        own = [self.order_connection.socket, self.order_connection.monitor]
        market = self._market
        return own if market is None else [*own, market.socket, market.recovery]

    def close(self) -> None:
        """Log out and close."""
        if self._market is not None:
            self._market.close()
        self.order_connection.close()
        self.context.destroy(200)


class Wait:
    """The time that one wait may still take."""

    def __init__(self, client: BaseClient, timeout_s: float | None) -> None:
        """Begin a wait; None: without end, negative: as long as the client's `timeout_s`."""
        if timeout_s is not None and timeout_s < 0:
            timeout_s = client.timeout_s
        self._venue = client.connection.venue
        self._timeout_s = timeout_s
        self._end_s = None if timeout_s is None else time.monotonic() + timeout_s

    def step_s(self, step_s_max: float) -> float:
        """Time to wait for input, at most `step_s_max`. Raises TimedOut if no time is left."""
        if self._end_s is None:
            return step_s_max
        left_s = self._end_s - time.monotonic()
        if left_s <= 0:
            raise TimedOut(f"{self._venue}: no answer in {self._timeout_s:g} s")
        return min(left_s, step_s_max)
