"""The builder of a venue: starts or continues its day, opens its sockets, and joins its parts."""

import resource
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import zmq

from exchange.days.engines import open_engine
from exchange.days.replay import Machine
from exchange.venue.clock import VenueClock
from exchange.venue.config import VenueConfig
from exchange.venue.connection_file import with_earlier_ports, write_connection
from exchange.venue.day import VenueDay, keys_folder, session_numbers, start_day
from exchange.venue.event_hash import EventHash
from exchange.venue.group_commit import GroupCommit
from exchange.venue.listing_requests import definitions
from exchange.venue.metering import Metering
from exchange.venue.parts import VenueParts
from exchange.venue.venue import Venue
from feeds.client.connection_file import Connection
from feeds.gateway.config import GatewayConfig, OrderToTradeLimit
from feeds.gateway.gateway import Gateway
from feeds.market_data.market_state import MarketState
from feeds.market_data.publisher import MarketDataPublisher
from feeds.transport import compiler as wire_compiler
from feeds.transport.poller import Poller
from feeds.transport.sockets import Context
from feeds.transport.zap import ZapHandler
from ledger.delivery.inventory import RegisteredCapacity

REPLAY_COMMANDS = 4_096
"""Commands of the day log that a restart hands to the engine at a time."""

SOCKETS_MAX = 4_096


def build_venue(
    config: VenueConfig,
    clock: VenueClock,
    *,
    make_keys: bool = False,
    compiling: Callable[[Path], None] | None = None,
) -> Venue:
    """Return a venue that serves its day, begun or continued from its log, with open sockets.

    `make_keys`: make the keys that members lack. `compiling` is called with the cache's folder
    before kernels have to be compiled. Raises what `start_day` raises.
    """
    config = with_earlier_ports(config)
    folder = Path(config.folder)
    _raise_descriptor_limit()
    day = start_day(config, clock, make_keys=make_keys)
    engine = open_engine("kernel", day.limits, compiling=compiling)
    if compiling is not None and not wire_compiler.is_compiled():
        compiling(wire_compiler.cache_folder())
    counters: Counter[str] = Counter()
    context: Context = zmq.Context()
    context.setsockopt(zmq.MAX_SOCKETS, SOCKETS_MAX)
    zap = ZapHandler(context, day.entitlements, counters)
    gateway = Gateway(context, _gateway_config(config, day), counters)
    market_data = MarketDataPublisher(
        context,
        MarketState(day.limits, gateway.config.folder),
        day.secret,
        counters,
        (config.market, config.recovery),
        plain=config.plain,
    )
    capacity, event_hash = RegisteredCapacity(day.registry), EventHash()
    _replay_day(day, engine, capacity, event_hash, gateway, market_data)
    market_data.define_instruments(definitions(day.registry), day.writer.next_sequence - 1)
    day_log = GroupCommit(day.writer, durable=config.durable)
    venue = Venue(
        VenueParts(
            registry=day.registry,
            clock=clock,
            day_log=day_log,
            engine=engine,
            capacity=capacity,
            event_hash=event_hash,
            context=context,
            zap=zap,
            gateway=gateway,
            market_data=market_data,
            poller=_poller(gateway, zap, market_data, day_log),
            metering=Metering(folder, day.registry.venue),
            keys=keys_folder(config),
            connection=_connection(config, day, gateway, market_data),
            folder_lock=day.folder_lock,
        )
    )
    gateway.note_used_refs(day.opening)  # of orders that are carried into the day
    venue.record(day.registry, day.opening)
    gateway.load_kernels()
    market_data.load_kernels()
    clock.stand_still()
    write_connection(folder, venue.connection)
    return venue


def _replay_day(
    day: VenueDay,
    engine: Machine,
    capacity: RegisteredCapacity,
    event_hash: EventHash,
    gateway: Gateway,
    market_data: MarketDataPublisher,
) -> None:
    """Bring all parts to the end of the day log, which an earlier run wrote."""
    for block in day.past():
        for start in range(0, len(block), REPLAY_COMMANDS):
            commands = block[start : start + REPLAY_COMMANDS]
            events = engine.process(commands)
            capacity.note(events)
            event_hash.update(events.tobytes())
            event_hash.hash_queued()
            gateway.restore(commands, events)
            market_data.state.derive_frames(events)


def _gateway_config(config: VenueConfig, day: VenueDay) -> GatewayConfig:
    sessions, firms = session_numbers(day.registry)
    limit = config.order_to_trade
    return GatewayConfig(
        venue=day.registry.venue,
        trading_day=day.registry.trading_day,
        limits=day.limits,
        secret=day.secret,
        entitlements=day.entitlements,
        sessions=sessions,
        firms=firms,
        folder=Path(config.folder) / "reports" / day.registry.trading_day,
        orders=config.orders,
        admin=config.admin,
        plain=config.plain,
        order_to_trade=None
        if limit is None
        else OrderToTradeLimit(free=limit.free, per_trade=limit.per_trade),
        opening_commands=day.registry.opening_commands,
    )


def _poller(
    gateway: Gateway, zap: ZapHandler, market_data: MarketDataPublisher, day_log: GroupCommit
) -> Poller:
    """Return the poller of all sockets; the gateway reads those of its ports itself."""
    return Poller(
        [port.socket for port in gateway.ports],
        [
            # frames that came before a disconnect are read first
            *((port.monitor, port.note_disconnects) for port in gateway.ports),
            (zap.socket, zap.answer_requests),
            (market_data.publisher, market_data.read_requests),
            (market_data.recovery, market_data.read_requests),
        ],
        day_log.wake_fd,
        day_log.clear_wake,
    )


def _connection(
    config: VenueConfig, day: VenueDay, gateway: Gateway, market_data: MarketDataPublisher
) -> Connection:
    orders, admin = (port.endpoint for port in gateway.ports)
    market, recovery = market_data.endpoints
    return Connection(
        venue=day.registry.venue,
        key=day.secret.public_key,
        orders=orders,
        admin=admin,
        market=market,
        recovery=recovery,
        plain=config.plain,
    )


def _raise_descriptor_limit() -> None:
    """Ask the system for as many connections as it allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
