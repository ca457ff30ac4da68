"""The venue: gateway, day log, machine, reports and market data in one loop.

    commands = gateway.receive()       # drain the sockets, stamp
    day_log.append(commands)           # durable before anything is said about them
    events = engine.process(commands)
    gateway.report(events)             # tells what is durable
    market_data.publish(events)        # when no order waits

What is reported and published waits until the day log is durable that far (`release`).
"""

import hashlib
import logging
import os
import resource
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Self

import numpy as np
import zmq
from numpy.typing import NDArray

from exchange.days.engines import open_engine
from exchange.venue.clock import VenueClock
from exchange.venue.config import VenueConfig
from exchange.venue.connection_file import with_earlier_ports, write_connection
from exchange.venue.day import numbers_of, start_day
from exchange.venue.group_commit import GroupCommit
from exchange.venue.listing_requests import definitions
from exchange.venue.metering import Meters
from exchange.venue.operator_requests import Operators
from feeds.client.connection_file import Connection
from feeds.event_buffer import EventBuffer
from feeds.gateway.config import GatewayConfig
from feeds.gateway.connections import Port
from feeds.gateway.gateway import Gateway
from feeds.gateway.sessions import LogoutReason
from feeds.market_data.market_state import MarketState
from feeds.market_data.publisher import MarketDataPublisher
from feeds.protocol.messages import (
    RefusalReason,
)
from feeds.protocol.records import Channel
from feeds.transport import compiler as wire_compiler
from feeds.transport.poller import Poller
from feeds.transport.zap import ZapHandler
from ledger.daylog.registry import Registry
from matching.records import COMMAND, EVENT, NANOSECONDS, CommandKind

LOG = logging.getLogger("suanshi.venue")

Commands = NDArray[np.void]
Events = NDArray[np.void]
REPLAY_COMMANDS = 4_096
TURNS_MAX = 16
"""Turns in which orders go before market data and the hash of the day."""

LULL_MS = 1
"""So long nothing comes before those are seen to, where there were fewer turns."""

BEHIND_MS = 2
"""So often a broker that is behind is tried again."""
_NO_COMMANDS = np.zeros(0, COMMAND)
_NO_EVENTS = np.zeros(0, EVENT)


class Venue:
    """A venue that serves one trading day."""

    def __init__(
        self,
        config: VenueConfig,
        clock: VenueClock,
        *,
        make_keys: bool = False,
        compiling: Callable[[Path], None] | None = None,
    ) -> None:
        """Begin the day, or take it up from its log; sockets are open when this returns."""
        self.config = config = with_earlier_ports(config)
        self.clock = clock
        self.counters: Counter[str] = Counter()
        self._digest = hashlib.sha256()
        self.ended = False
        _allow_descriptors()
        self.day = start_day(config, clock, make_keys=make_keys)
        self.registry = self.day.registry
        self.engine = open_engine("kernel", self.day.limits, compiling=compiling)
        if compiling is not None and not wire_compiler.is_compiled():
            compiling(wire_compiler.cache_folder())
        self._boundaries = self._scheduled()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._context.setsockopt(zmq.MAX_SOCKETS, 4_096)
        self.zap = ZapHandler(self._context, self.day.entitlements, self.counters)
        self.gateway = Gateway(self._context, self._gateway_config(), self.counters)
        self.market = MarketDataPublisher(
            self._context,
            MarketState(self.day.limits, self.gateway.config.folder),
            self.day.secret,
            self.counters,
            (config.market, config.recovery),
            plain=config.plain,
        )
        self._recover()
        self.market.define_instruments(
            definitions(self.registry), self.day.writer.next_sequence - 1
        )
        self.log = GroupCommit(self.day.writer, durable=config.durable)
        self._made, self._turns = EventBuffer(), 0
        if len(self.day.opening):
            self.gateway.note_used_refs(self.day.opening)  # of orders that live on
            self._work(self.day.opening)
            self._tidy()
        self.settle()
        self.gateway.load_kernels()
        self.market.state.image(Channel.LEVELS, 1, 0)
        self.metering = Meters(Path(config.folder), self.registry.venue)
        self._operators = Operators(self)
        self._poller = self._watched()
        self.connection = self._connection()
        write_connection(Path(config.folder), self.connection)

    # The loop

    def run(self) -> None:
        """Serve until `end` is called, then close the day."""
        while not self.ended:
            self.step()
        self.seal()

    def step(self) -> None:
        """One turn: wait for something, work through it, say what is durable.

        What nobody waits for is done when nothing comes for LULL_MS, or after TURNS_MAX.
        """
        ports = self._wait(LULL_MS if self._turns else self.clock.wait_ms())
        now_ns = self.clock.now_ns()
        commands = self.gateway.receive(now_ns, self.log.next_sequence, self._due(now_ns), ports)
        if len(commands):
            self._work(commands)
        if self.gateway.messages.requests:
            self._operators.serve()
        self.gateway.send_durable(self.log.durable_sequence())
        if len(commands) == 0 or self._turns == TURNS_MAX:
            self._tidy()
            self.gateway.send_heartbeats(time.monotonic_ns())
            self.market.queue_heartbeats()
            self.market.send_durable(self.log.durable_sequence())

    def _work(self, commands: Commands) -> Events:
        """Commands to the log, through the machine, and what it says to whom it concerns.

        Returns that, valid until the next call. Everything else about it is left to `_tidy`, so
        that brokers who wait for an answer come first.
        """
        self.log.append(commands)
        events = self.engine.process(commands)
        content = events.tobytes()
        self.gateway.report(content)
        self._made.append(content)
        self._turns += 1
        return events

    def _tidy(self) -> None:
        """What no answer waits for: market data, the hash of the day."""
        if self._turns == 0:
            return
        self._digest.update(self._made.content)
        self.market.publish(self._made.drain(), self.log.next_sequence - 1)
        self._turns = 0

    def record(self, registry: Registry, commands: Commands) -> Events:
        """Log and run what the venue does by itself; returns what came of it, told and durable."""
        if registry != self.registry:
            self.registry = registry
            self.log.reference(registry)
            self._boundaries = self._scheduled()
        events = self._work(commands).copy() if len(commands) else _NO_EVENTS
        self._tidy()
        self.settle()
        return events

    def settle(self) -> None:
        """Wait until everything is durable, and tell it."""
        durable_sequence = self.log.settle()
        self.gateway.send_durable(durable_sequence)
        self.market.send_durable(durable_sequence)

    def _wait(self, wait_ms: int) -> list[Port]:
        """Wait for something; returns the ports that have frames, or ends of connections."""
        ports = self.gateway.ports
        found = self._poller.wait(min(wait_ms, BEHIND_MS) if self.gateway.has_backlog else wait_ms)
        return [
            port for place, port in enumerate(ports) if found >> place & 1 or port.has_disconnects
        ]

    def _watched(self) -> Poller:
        ports, market = self.gateway.ports, self.market
        return Poller(
            [port.socket for port in ports],
            [
                # what came before an end is taken first
                *((port.monitor, port.note_disconnects) for port in ports),
                (self.zap.socket, self.zap.answer_requests),
                (market.publisher, market.read_requests),
                (market.recovery, market.read_requests),
            ],
            self.log.wake,
            self.log.quiet,
        )

    # Time

    def _scheduled(self) -> list[int]:
        """Whole seconds at which something is due in the day, by the registry; the last first."""
        gates = {instrument.gate_s for instrument in self.registry.instruments}
        return sorted(gates, reverse=True)

    def _due(self, now_ns: int) -> Commands:
        """CLOCK commands for the boundaries and the whole second passed since the last stamp."""
        last_s = self.day.writer.last_time_ns // NANOSECONDS
        second = now_ns // NANOSECONDS
        if second <= last_s:
            return _NO_COMMANDS
        seconds = []
        while self._boundaries and self._boundaries[-1] <= second:
            boundary = self._boundaries.pop()
            if boundary > last_s:
                seconds.append(boundary)
        if not seconds or seconds[-1] != second:
            seconds.append(second)
        commands = np.zeros(len(seconds), COMMAND)
        commands["kind"] = CommandKind.CLOCK
        commands["time_ns"] = np.array(seconds, np.int64) * NANOSECONDS
        return commands

    # Beginning and end

    def end(self, *_: object) -> None:
        """Stop after this turn; a signal handler."""
        self.ended = True
        os.eventfd_write(self.log.wake, 1)

    def seal(self) -> None:
        """Take what has arrived, tell everybody, and seal the day."""
        self.gateway.messages.closing = True
        self.step()
        self._tidy()
        self.market.queue_heartbeats(last=True)
        self.settle()
        self.gateway.log_out_all(LogoutReason(RefusalReason.DAY_OVER, "the trading day is over"))
        self.day.writer.seal(self.events_sha256)
        LOG.info("sealed %s: %s", self.day.writer.path, self.events_sha256.hex())

    @property
    def events_sha256(self) -> bytes:
        """SHA-256 of all events so far, in order, as a replay makes it."""
        return self._digest.digest()

    def close(self) -> None:
        """Close sockets and files; without `seal`, the day can be taken up again."""
        self.metering.close()
        self.gateway.close()
        self.market.close()
        self.zap.close()
        self._context.term()
        self.log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _recover(self) -> None:
        """Run what of the day stands in the log already."""
        for block in self.day.past():
            for start in range(0, len(block), REPLAY_COMMANDS):
                commands = block[start : start + REPLAY_COMMANDS]
                events = self.engine.process(commands)
                self._digest.update(events.tobytes())
                self.gateway.restore(commands, events)
                self.market.state.derive_frames(events)

    def _connection(self) -> Connection:
        orders, admin = (port.endpoint for port in self.gateway.ports)
        market, recovery = self.market.endpoints
        return Connection(
            venue=self.registry.venue,
            key=self.day.secret.public_key,
            orders=orders,
            admin=admin,
            market=market,
            recovery=recovery,
            plain=self.config.plain,
        )

    def _gateway_config(self) -> GatewayConfig:
        day, config = self.day, self.config
        sessions, firms = numbers_of(self.registry)
        return GatewayConfig(
            venue=self.registry.venue,
            trading_day=self.registry.trading_day,
            limits=day.limits,
            secret=day.secret,
            entitlements=day.entitlements,
            sessions=sessions,
            firms=firms,
            folder=Path(config.folder) / "reports" / self.registry.trading_day,
            orders=config.orders,
            admin=config.admin,
            plain=config.plain,
        )


def close_on_signals(venue: Venue) -> None:
    """Have SIGTERM and SIGINT close the day, from before anybody is told that it is served."""
    signal.signal(signal.SIGTERM, venue.end)
    signal.signal(signal.SIGINT, venue.end)


def _allow_descriptors() -> None:
    """Ask the system for as many connections as it gives."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
