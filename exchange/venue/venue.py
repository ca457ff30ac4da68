"""The venue's loop: commands from the gateway go to the day log, the engine and the event readers.

    commands = gateway.receive()       # drain the sockets, stamp: COMMAND[n]
    day_log.append(commands)           # durable before anything is sent about them
    events = engine.process(commands)  # EVENT[m]
    gateway.report(events)             # execution reports, queued
    market_data.publish(events)        # market data, queued

Nothing is sent to anybody before the day log is durable that far (`send_durable`).
"""

import logging
import signal
from typing import Self

import numpy as np
from numpy.typing import NDArray

from exchange.venue.operator_requests import OperatorRequests
from exchange.venue.parts import VenueParts
from exchange.venue.schedule import Schedule
from feeds.gateway.connections import Port
from feeds.gateway.sessions import LogoutReason
from feeds.protocol.messages import RefusalReason
from ledger.daylog.registry import Registry
from matching.records import EVENT

LOG = logging.getLogger("suanshi.venue")

Commands = NDArray[np.void]
Events = NDArray[np.void]

TURNS_MAX = 16
"""Turns with commands in a row after which deferred work runs."""

IDLE_MS = 1
"""Idle time in ms after which deferred work runs, even before TURNS_MAX turns."""

BACKLOG_RETRY_MS = 2
"""Interval in ms between attempts to send to a broker that is behind."""


class Venue:
    """A venue that serves one trading day. `exchange.venue.builder.build_venue` makes it."""

    def __init__(self, parts: VenueParts) -> None:
        self.registry = parts.registry
        self.clock = parts.clock
        self.day_log = parts.day_log
        self.engine = parts.engine
        self.capacity = parts.capacity
        self.event_hash = parts.event_hash
        self.gateway = parts.gateway
        self.market_data = parts.market_data
        self.connection = parts.connection
        self.ended = False
        self._parts = parts
        self._poller = parts.poller
        self._schedule = Schedule(parts.registry)
        self._requests = OperatorRequests(self, parts)

    def run(self) -> None:
        """Serve until `end` is called, then seal the day."""
        while not self.ended:
            self.step()
        self.seal()

    def step(self) -> None:
        """Run one turn of the loop: wait for input, carry it through the pipeline, tidy up."""
        ports = self._wait()
        now_ns = self.clock.now_ns()
        clock_commands = self._schedule.due(now_ns, self.day_log.last_time_ns)
        # 1. Receive: drain the sockets, check, and stamp sequence, time and session.
        commands = self.gateway.receive(now_ns, self.day_log.next_sequence, clock_commands, ports)
        if len(commands):
            # 2. Append: the day log becomes durable on a thread of its own.
            self.day_log.append(commands)
            # 3. Process: copied to bytes, because the engine uses its array again.
            events = self.engine.process(commands).tobytes()
            # 4. Report: queue execution reports.
            self.gateway.report(events)
            # 5. Publish: queue market data, and what the seal of the day vouches for.
            self.market_data.publish(events, self.day_log.last_sequence)
            self.event_hash.update(events)
        self._housekeeping(is_idle=len(commands) == 0)

    def _housekeeping(self, *, is_idle: bool) -> None:
        """Answer requests and send the reports that are durable; when idle, run deferred work.

        Market data, the event hash and heartbeats wait for an idle turn, but for TURNS_MAX turns
        at most, so that brokers who wait for an answer come first.
        """
        if self.gateway.messages.requests:
            self._requests.serve()
        self.gateway.send_durable(self.day_log.durable_sequence())
        if is_idle or self.market_data.queued_turns >= TURNS_MAX:
            self._run_deferred()
            self.gateway.send_heartbeats(self.clock.monotonic_ns())
            self.market_data.queue_heartbeats()
            self.market_data.send_durable(self.day_log.durable_sequence())

    def _wait(self) -> list[Port]:
        """Wait for input; return the ports that have frames or disconnects."""
        wait_ms = IDLE_MS if self.market_data.queued_turns else self.clock.wait_ms()
        if self.gateway.has_backlog:
            wait_ms = min(wait_ms, BACKLOG_RETRY_MS)
        ready = self._poller.wait(wait_ms)
        return [
            port
            for place, port in enumerate(self.gateway.ports)
            if ready >> place & 1 or port.has_disconnects
        ]

    def _run_deferred(self) -> None:
        """Hash and derive what `step` has queued."""
        self.event_hash.hash_queued()
        self.market_data.derive_queued()

    def record(self, registry: Registry, commands: Commands) -> Events:
        """Log and process commands of the venue's own; return their events, durable and sent.

        `commands` are stamped already. A registry that has changed is logged before them.
        """
        if registry != self.registry:
            self.registry = registry
            self.capacity.use(registry)
            self.day_log.append_registry(registry)
            self._schedule = Schedule(registry)
        events = b""
        if len(commands):
            self.day_log.append(commands)
            events = self.engine.process(commands).tobytes()
            self.gateway.report(events)
            self.market_data.publish(events, self.day_log.last_sequence)
            self.event_hash.update(events)
        self.capacity.note(np.frombuffer(events, EVENT))
        self._run_deferred()
        self.wait_durable()
        return np.frombuffer(events, EVENT)

    def wait_durable(self) -> None:
        """Wait until everything appended is durable, and send what is queued about it."""
        durable_sequence = self.day_log.wait_durable()
        self.gateway.send_durable(durable_sequence)
        self.market_data.send_durable(durable_sequence)

    def end(self, *_: object) -> None:
        """Stop after this turn; a signal handler."""
        self.ended = True
        self.day_log.wake()

    def seal(self) -> None:
        """Process what has arrived, report it, log everybody out, and seal the day."""
        self.gateway.messages.closing = True
        self.step()
        self._run_deferred()
        self.market_data.queue_heartbeats(last=True)
        self.wait_durable()
        self.gateway.log_out_all(LogoutReason(RefusalReason.DAY_OVER, "the trading day is over"))
        self.day_log.seal(self.event_hash.digest())
        LOG.info("sealed %s: %s", self.day_log.path, self.event_hash.digest().hex())

    def close(self) -> None:
        """Close sockets and files. A day that is not sealed can be continued."""
        self._parts.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def close_on_signals(venue: Venue) -> None:
    """Have SIGTERM and SIGINT close the day; called before clients learn that it is served."""
    signal.signal(signal.SIGTERM, venue.end)
    signal.signal(signal.SIGINT, venue.end)


def ignore_signals() -> None:
    """Ignore SIGTERM and SIGINT: the day is sealed, and another request to close it is too late."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
