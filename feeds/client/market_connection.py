"""Connection for market data: a SUB socket, a DEALER for images, and the view made of both."""

import time

import zmq

from feeds.client.channel_replica import ChannelReplica
from feeds.client.connection_file import Connection
from feeds.client.market_view import MarketView
from feeds.protocol.messages import ImageRequest, encode
from feeds.protocol.records import Channel, MarketFlag, read_market_head, topic
from feeds.transport.sockets import Context, Security, broker_dealer, subscriber

QUEUE_FRAMES = 100_000
REQUEST_AGAIN_NS = 500_000_000
"""Time after which an image that has not come is requested again."""


class MarketConnection(MarketView):
    """A market view that subscribes to the channels followed and requests missing images."""

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
        self.recovery.setsockopt(zmq.IMMEDIATE, 1)  # repeated requests must not queue up
        self.recovery.connect(connection.recovery)
        self._requested_ns: dict[tuple[Channel, int], int] = {}
        self._subscribe(Channel.HEARTBEAT, None)
        self._subscribe(Channel.DEFINITIONS, None)

    def replica(self, channel: Channel, instrument: int) -> ChannelReplica:
        """The replica of a channel; the first call subscribes to it."""
        is_new = (channel, instrument) not in self.replicas
        found = super().replica(channel, instrument)
        if is_new and channel not in self._followed:
            self._subscribe(channel, instrument)
        return found

    def follow(self, channel: Channel, instrument: int | None = None) -> None:
        """Follow a channel of one instrument; None: of all present and future instruments."""
        if instrument is None and channel not in self._followed:
            self._subscribe(channel, None)
        super().follow(channel, instrument)

    def receive(self, frame: bytes) -> None:
        """Process a frame. After the last one of an image, another may be requested at once."""
        super().receive(frame)
        head = read_market_head(frame)
        if head.flags == MarketFlag.IMAGE:
            self._requested_ns.pop((Channel(head.channel), head.instrument), None)

    def pump(self) -> bool:
        """Receive all frames that have come and request missing images; whether any came."""
        received = False
        for socket in (self.recovery, self.socket):
            while True:
                try:
                    frame = socket.recv(zmq.NOBLOCK)
                except zmq.Again:
                    break
                received = True
                self.receive(frame)
        for channel, instrument, from_sequence in self.missing_images():
            self._request_image(channel, instrument, from_sequence)
        return received

    def close(self) -> None:
        """Close both sockets."""
        self.socket.close(0)
        self.recovery.close(0)

    def _subscribe(self, channel: Channel, instrument: int | None) -> None:
        prefix = bytes([channel]) if instrument is None else topic(channel, instrument)
        self.socket.setsockopt(zmq.SUBSCRIBE, prefix)

    def _request_image(self, channel: Channel, instrument: int, from_sequence: int) -> None:
        """Request an image, unless that was done less than `REQUEST_AGAIN_NS` ago."""
        now_ns = time.monotonic_ns()
        requested_ns = self._requested_ns.get((channel, instrument), -REQUEST_AGAIN_NS)
        if now_ns - requested_ns < REQUEST_AGAIN_NS:
            return
        request = ImageRequest(
            channel=chr(channel), instrument=instrument, from_sequence=from_sequence
        )
        try:
            self.recovery.send(encode(request), zmq.NOBLOCK)
        except zmq.Again:
            return  # not connected yet
        self._requested_ns[channel, instrument] = now_ns
