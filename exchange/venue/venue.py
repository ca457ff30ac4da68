"""The venue's loop: commands from the gateway go to the day log, the engine and the event readers.

    commands = gateway.receive()       # drain the sockets, stamp: COMMAND[n]
    day_log.append(commands)           # durable before anything is sent about them
    events = engine.process(commands)  # EVENT[m]
    gateway.report(events)             # execution reports, queued
    market_data.publish(events)        # market data, queued

Nothing is sent to anybody before the day log is durable that far (`send_durable`). While the engine
works long on one command, the loop goes on to receive and append; what came is processed next.
"""

import logging
import signal
from typing import Self

import numpy as np
from numpy.typing import NDArray

from exchange.definition.calendar import DAY_S, day_start_s, parse_day
from exchange.venue.operator_requests import OperatorRequests
from exchange.venue.parts import VenueParts
from exchange.venue.schedule import Schedule
from feeds.gateway.connections import Port
from feeds.gateway.peers import Peer
from feeds.gateway.sessions import LogoutReason
from feeds.protocol.messages import DayClosed, RefusalReason
from ledger.daylog.registry import Registry
from matching.records import EVENT, NANOSECONDS

LOG = logging.getLogger("suanshi.venue")

Commands = NDArray[np.void]
Events = NDArray[np.void]

TURNS_MAX = 16
"""Turns with commands in a row after which deferred work runs."""

IDLE_MS = 1
"""Idle time in ms after which deferred work runs, even before TURNS_MAX turns."""

PENDING_MAX = 1 << 16
"""Commands that may wait for the engine; beyond this the gateway reads no more."""

BACKLOG_RETRY_MS = 2
"""Interval in ms between attempts to send to a broker that is behind."""

NEVER_NS = 2**63

DAY_OVER = LogoutReason(RefusalReason.DAY_OVER, "the trading day is over")
STOPPING = LogoutReason(RefusalReason.STOPPING, "the venue stops; its day goes on when it is back")


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
        self._parts = parts
        self._is_stopped = False
        self._closers: list[Peer] = []  # operators who have asked to close the day
        self._closes_ns: int | None = None
        self._poller = parts.poller
        self._schedule = Schedule(parts.registry)
        self._requests = OperatorRequests(self, parts)
        self._pending: list[Commands] = []  # received and appended while the engine worked
        self._processed_sequence = self.day_log.last_sequence

    def run(self, closes_ns: int | None = None) -> bool:
        """Serve until the venue is stopped or its day is closed; returns whether it was closed.

        It is closed by an operator, or at `closes_ns` by the venue's clock; without `closes_ns` a
        warning says when the day is over.
        """
        self._closes_ns = closes_ns
        over_ns = day_end_ns(self.registry.trading_day) if closes_ns is None else NEVER_NS
        while not (self._is_stopped or self._is_over()):
            self.step()
            if self.clock.last_ns >= over_ns:
                over_ns = NEVER_NS
                LOG.warning(
                    "%s is over, and everything is closed; `suanshi day close` ends it, then "
                    "`suanshi serve` opens the next day",
                    self.registry.trading_day,
                )
        is_closed = self._is_over()
        why = DAY_OVER if is_closed else STOPPING
        self._finish(why)
        if is_closed:
            self._seal()
        self.gateway.log_out_all(why)
        return is_closed

    def step(self) -> None:
        """Run one turn of the loop: wait for input, carry it through the pipeline, tidy up."""
        commands = self._pending.pop(0) if self._pending else self._receive(self._wait())
        if len(commands):
            self._carry_out(commands)
        self._housekeeping(is_idle=len(commands) == 0)

    def _receive(self, ports: list[Port]) -> Commands:
        """Return what has come, appended to the day log. Valid until the next call."""
        now_ns = self.clock.now_ns()
        clock_commands = self._schedule.due(now_ns, self.day_log.last_time_ns)
        # 1. Receive: drain the sockets, check, and stamp sequence, time and session.
        commands = self.gateway.receive(now_ns, self.day_log.next_sequence, clock_commands, ports)
        if len(commands):
            # 2. Append: the day log becomes durable on a thread of its own.
            self.day_log.append(commands)
        return commands

    def _carry_out(self, commands: Commands) -> list[bytes]:
        """Return the events, in parts, of commands that are in the day log."""
        last_sequence = int(commands["sequence"][-1])
        parts: list[bytes] = []

        def distribute(events: Events) -> None:
            """Queue what follows from events, as bytes, because the engine uses its array again."""
            parts.append(events.tobytes())
            # 4. Report: queue execution reports.
            self.gateway.report(parts[-1])
            # 5. Publish: queue market data, and what the seal of the day vouches for.
            self.market_data.publish(parts[-1], last_sequence)
            self.event_hash.update(parts[-1])

        def distribute_slice(events: Events) -> None:
            """Do the same after a slice of long work, and what cannot wait."""
            distribute(events)
            self._stay_awake()

        # 3. Process.
        distribute(self.engine.process(commands, distribute_slice))
        self._processed_sequence = last_sequence
        return parts

    def catch_up(self) -> None:
        """Carry out what came while the engine worked."""
        while self._pending:
            self._carry_out(self._pending.pop(0))

    def _stay_awake(self) -> None:
        """While the engine works: receive and append, answer what needs no engine, and send
        heartbeats."""
        if sum(map(len, self._pending)) < PENDING_MAX:
            commands = self._receive(self._ready_ports(0))
            if len(commands):
                self._pending.append(commands.copy())
        self._send_reports()
        self.gateway.send_heartbeats(self.clock.monotonic_ns())

    def _send_reports(self) -> None:
        """Send the reports of commands that are processed and durable."""
        durable_sequence = self.day_log.durable_sequence()
        self.gateway.send_durable(min(durable_sequence, self._processed_sequence))

    def _housekeeping(self, *, is_idle: bool) -> None:
        """Answer requests and send the reports that are durable; when idle, run deferred work.

        Market data, the event hash and heartbeats wait for an idle turn, but for TURNS_MAX turns
        at most, so that brokers who wait for an answer come first.
        """
        if self.gateway.messages.requests:
            self._requests.serve()
        self._send_reports()
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
        return self._ready_ports(wait_ms)

    def _ready_ports(self, wait_ms: int) -> list[Port]:
        """Wait so long for input; return the ports that have frames or disconnects."""
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

        `commands` are stamped already; nothing is left to catch up with. A registry that has
        changed is logged before them.
        """
        if registry != self.registry:
            self.registry = registry
            self.capacity.use(registry)
            self.day_log.append_registry(registry)
            self._schedule = Schedule(registry)
        parts: list[bytes] = []
        if len(commands):
            self.day_log.append(commands)
            parts = self._carry_out(commands)
        events = np.frombuffer(b"".join(parts), EVENT)
        self.capacity.note(events)
        self._run_deferred()
        self.wait_durable()
        return events

    def wait_durable(self) -> None:
        """Wait until everything appended is durable, and send what is queued about it."""
        durable_sequence = self.day_log.wait_durable()
        self._send_reports()
        self.market_data.send_durable(durable_sequence)

    def stop(self, *_: object) -> None:
        """Stop after this turn, so that the day can be continued; a signal handler."""
        self._is_stopped = True
        self.day_log.wake()

    def _is_over(self) -> bool:
        """Whether the day is to be closed."""
        closes_ns = self._closes_ns
        return bool(self._closers) or (closes_ns is not None and self.clock.last_ns >= closes_ns)

    def close_day(self, operator: Peer) -> None:
        """Close the day after this turn, and tell the operator when it is sealed."""
        self._closers.append(operator)

    def _finish(self, why: LogoutReason) -> None:
        """Take no more logons; process what has arrived, and report it when it is durable."""
        self.gateway.messages.ending = why
        self.step()
        self.catch_up()
        self._run_deferred()
        self.wait_durable()

    def _seal(self) -> None:
        """Seal the log of the day, and tell the market and the operators who asked for it."""
        digest = self.event_hash.digest()
        self.day_log.seal(digest)
        LOG.info("sealed %s: %s", self.day_log.path, digest.hex())
        self.market_data.queue_heartbeats(last=True)
        self.market_data.send_durable(self.day_log.durable_sequence())
        closed = DayClosed(
            trading_day=self.registry.trading_day,
            sequence=self.day_log.last_sequence,
            events_sha256=digest.hex(),
        )
        for operator in self._closers:
            self.gateway.messages.send(operator, closed)

    def close(self) -> None:
        """Close sockets and files. A day that is not sealed can be continued."""
        self._parts.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def day_end_ns(trading_day: str) -> int:
    """The end of a trading day in Shanghai, in nanoseconds since the epoch."""
    return (day_start_s(parse_day(trading_day)) + DAY_S) * NANOSECONDS


def stop_on_signals(venue: Venue) -> None:
    """Have SIGTERM and SIGINT stop the venue; called before clients learn that it serves."""
    signal.signal(signal.SIGTERM, venue.stop)
    signal.signal(signal.SIGINT, venue.stop)


def ignore_signals() -> None:
    """Ignore SIGTERM and SIGINT: the venue ends already."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
