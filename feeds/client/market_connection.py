"""A client's market data: a SUB, a DEALER for what was missed, and the view made of both."""

import time

import zmq

from feeds.client.channel_replica import Replica
from feeds.client.connection_file import Connection
from feeds.client.market_view import MarketView
from feeds.protocol.messages import ImageRequest, encode
from feeds.protocol.records import MARKET_HEAD, Channel, MarketFlag, topic
from feeds.transport.sockets import Context, Security, broker_dealer, subscriber

QUEUE_FRAMES = 100_000
ASK_AGAIN_NS = 500_000_000


class MarketLink(MarketView):
    """A market view that subscribes to what is followed and asks for what was missed."""

    def __init__(
        self,
        context: Context,
        security: Security,
        connection: Connection,
        queue_frames: int = QUEUE_FRAMES,
    ) -> None:
        super().__init__()
        self.socket = subscriber(context, security, connection.market, queue_frames)
        self.recovery = broker_dealer(context, security)
        self.recovery.setsockopt(zmq.IMMEDIATE, 1)  # what is asked for again must not pile up
        self.recovery.connect(connection.recovery)
        self._asked_ns: dict[tuple[Channel, int], int] = {}
        self._subscribe(Channel.HEARTBEAT, None)
        self._subscribe(Channel.DEFINITIONS, None)

    def replica(self, channel: Channel, instrument: int) -> Replica:
        """What is known of a channel; subscribes to it the first time."""
        is_new = (channel, instrument) not in self.replicas
        found = super().replica(channel, instrument)
        if is_new and channel not in self._all:
            self._subscribe(channel, instrument)
        return found

    def follow(self, channel: Channel, instrument: int | None = None) -> None:
        """Follow a channel of an instrument, or of all that there are and will be."""
        if instrument is None and channel not in self._all:
            self._subscribe(channel, None)
        super().follow(channel, instrument)

    def take(self, frame: bytes) -> None:
        """Take in a frame; after the last of an image, another one may be asked for at once."""
        super().take(frame)
        head = MARKET_HEAD.unpack_from(frame)
        if head[6] == MarketFlag.IMAGE:
            self._asked_ns.pop((Channel(head[0]), head[1]), None)

    def pump(self) -> bool:
        """Take in whatever has come; whether anything came."""
        took = False
        for socket in (self.recovery, self.socket):
            while True:
                try:
                    frame = socket.recv(zmq.NOBLOCK)
                except zmq.Again:
                    break
                took = True
                self.take(frame)
        for channel, instrument, from_sequence in self.missing():
            self._ask(channel, instrument, from_sequence)
        return took

    def close(self) -> None:
        """Close both sockets."""
        self.socket.close(0)
        self.recovery.close(0)

    def _subscribe(self, channel: Channel, instrument: int | None) -> None:
        prefix = bytes([channel]) if instrument is None else topic(channel, instrument)
        self.socket.setsockopt(zmq.SUBSCRIBE, prefix)

    def _ask(self, channel: Channel, instrument: int, from_sequence: int) -> None:
        """Ask for an image, unless that was done just now."""
        now_ns = time.monotonic_ns()
        if now_ns - self._asked_ns.get((channel, instrument), -ASK_AGAIN_NS) < ASK_AGAIN_NS:
            return
        request = ImageRequest(
            channel=chr(channel), instrument=instrument, from_sequence=from_sequence
        )
        try:
            self.recovery.send(encode(request), zmq.NOBLOCK)
        except zmq.Again:
            return  # not connected yet
        self._asked_ns[channel, instrument] = now_ns
