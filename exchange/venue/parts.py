"""The parts of a venue, which `exchange.venue.builder` makes and the venue's loop works with."""

from dataclasses import dataclass
from pathlib import Path

from exchange.days.replay import Machine
from exchange.venue.clock import VenueClock
from exchange.venue.event_hash import EventHash
from exchange.venue.folder_lock import FolderLock
from exchange.venue.group_commit import GroupCommit
from exchange.venue.metering import Metering
from feeds.client.connection_file import Connection
from feeds.gateway.gateway import Gateway
from feeds.market_data.publisher import MarketDataPublisher
from feeds.transport.poller import Poller
from feeds.transport.sockets import Context
from feeds.transport.zap import ZapHandler
from ledger.daylog.registry import Registry
from ledger.delivery.inventory import RegisteredCapacity


@dataclass(frozen=True, kw_only=True)
class VenueParts:
    """Everything that a venue has of the outside: time, files, threads and sockets."""

    registry: Registry
    clock: VenueClock
    day_log: GroupCommit
    engine: Machine
    capacity: RegisteredCapacity  # against the inventory
    event_hash: EventHash
    context: Context
    zap: ZapHandler
    gateway: Gateway
    market_data: MarketDataPublisher
    poller: Poller  # over the sockets of the four above
    metering: Metering
    keys: Path  # the folder
    connection: Connection  # for clients
    folder_lock: FolderLock

    def close(self) -> None:
        """Close sockets, threads and files."""
        self.metering.close()
        self.gateway.close()
        self.market_data.close()
        self.zap.close()
        self.context.term()
        self.day_log.close()
        self.folder_lock.close()
