"""Publishing of market data: an XPUB for increments, a ROUTER for recovery images.

Nothing is sent before the commands behind it are durable; images wait for that too. A slow
subscriber loses frames and detects it by their numbers; it cannot delay the venue.
"""

import errno
import logging
import time
from collections import Counter, deque

import msgspec
import numpy as np
import zmq
from numpy.typing import NDArray

from feeds.market_data.frames import CHANNELS
from feeds.market_data.market_state import MarketState
from feeds.protocol.keys import Secret
from feeds.protocol.messages import Definition, encode, image_request
from feeds.protocol.records import MARKET_HEAD, NEXT, Channel, MarketFlag, MarketKind
from feeds.transport.reject_log import log_refusal
from feeds.transport.sockets import (
    LINGER_MS,
    REQUEST_BYTES_MAX,
    Context,
    Security,
    bind,
    venue_publisher,
    venue_router,
)

LOG = logging.getLogger("suanshi.market")

Records = NDArray[np.void]

REQUESTS_MAX = 64  # for images, read in one turn
IMAGES_MAX = 1_024  # that wait to be sent
IMAGE_FRAMES_MAX = 12_000  # to one client, in the socket's queue
HEARTBEAT_NS = 1_000_000_000
TOPICS_MAX = 100_000  # subscribed


class MarketDataPublisher:
    """Publishes the frames that `state` derives from events."""

    def __init__(
        self,
        context: Context,
        state: MarketState,
        secret: Secret,
        counters: Counter[str],
        endpoints: tuple[str, str],
        *,
        plain: bool = False,
    ) -> None:
        security = Security(secret, plain=plain)
        self.state = state
        self.counters = counters
        self.publisher = venue_publisher(context, security, "market")
        self.recovery = venue_router(context, security, "market", REQUEST_BYTES_MAX)
        self.recovery.setsockopt(zmq.SNDHWM, IMAGE_FRAMES_MAX)
        self.endpoints = bind(self.publisher, endpoints[0]), bind(self.recovery, endpoints[1])
        self.frames_sent = 0
        self.queued_turns = 0  # calls of `publish` whose events are not derived yet
        self._events_sequence = 0  # of the last command whose events are queued
        self._definitions: dict[int, tuple[int, bytes]] = {}  # number and body of the last one
        self._topics: set[bytes] = set()
        self._pending: deque[tuple[int, list[bytes]]] = deque()  # by their last command
        self._images: deque[tuple[int, bytes, list[bytes]]] = deque()
        self._heartbeat_ns = 0
        self._next_heartbeat = 1
        self._sequence = 0  # of the last command whose events are derived

    def define_instruments(self, definitions: list[Definition], sequence: int) -> None:
        """Queue the definitions of new or changed instruments, behind the command `sequence`."""
        frames = []
        for each in definitions:
            number = self._definitions.get(each.instrument, (0, b""))[0] + 1
            self._definitions[each.instrument] = number, encode(each)
            frames.append(self._definition(each.instrument))
        self._pending.append((sequence, frames))

    def publish(self, events: bytes, sequence: int) -> None:
        """Queue the events of commands up to `sequence`; `derive_queued` makes frames of them."""
        self.state.queue(events)
        self._events_sequence = sequence
        self.queued_turns += 1

    def derive_queued(self) -> None:
        """Derive the frames of the queued events, for `send_durable` to send."""
        if self.queued_turns == 0:
            return
        frames = self.state.derive_queued()
        self.queued_turns = 0
        self._sequence = self._events_sequence
        if frames:
            self._pending.append((self._sequence, frames))

    def send_durable(self, durable_sequence: int) -> None:
        """Send the queued frames and images of commands up to this one, which are durable."""
        send, pending = self.publisher.send, self._pending
        while pending and pending[0][0] <= durable_sequence:
            frames = pending.popleft()[1]
            for frame in frames:
                send(frame, zmq.NOBLOCK)
            self.frames_sent += len(frames)
        while self._images and self._images[0][0] <= durable_sequence:
            _, route, frames = self._images.popleft()
            self._send_image(route, frames)

    def read_requests(self) -> None:
        """Read subscriptions, and requests for images."""
        changed = False
        while True:
            try:
                subscription = self.publisher.recv(zmq.NOBLOCK)
            except zmq.Again:
                break
            changed = True
            if subscription[:1] == b"\x01" and len(self._topics) < TOPICS_MAX:
                self._topics.add(subscription[1:])
            elif subscription[:1] == b"\x00":
                self._topics.discard(subscription[1:])
        if changed:
            self._update_wanted()
        for _ in range(REQUESTS_MAX):
            if len(self._images) >= IMAGES_MAX or not self._read_request():
                return

    def queue_heartbeats(self, *, last: bool = False) -> None:
        """Once a second, queue the next frame number of every channel; at the end, END_OF_DAY.

        The numbers are those of frames derived so far, so they wait for durability like frames.
        """
        now_ns = time.monotonic_ns()
        if not last and now_ns - self._heartbeat_ns < HEARTBEAT_NS:
            return
        self._heartbeat_ns = now_ns
        frames = []
        used = np.flatnonzero(self.state.instruments["tick_fen"])
        for channel, place in CHANNELS.items():
            records = np.zeros(len(used), NEXT)
            records["instrument"] = used
            records["channel"] = channel
            records["sequence"] = self.state.sequences[place, used]
            frames.append(self._heartbeat(MarketKind.HEARTBEAT, records))
        frames.append(self._heartbeat(MarketKind.HEARTBEAT, self._next_definitions()))
        if last:
            frames.append(self._heartbeat(MarketKind.END_OF_DAY, np.zeros(0, NEXT)))
        self._pending.append((self._sequence, frames))

    def load_kernels(self) -> None:
        """Compile or load the kernel of images, so that the first request waits for nothing."""
        self.state.image(Channel.LEVELS, 1, 0)

    def close(self) -> None:
        """Close sockets and files."""
        self.publisher.close(LINGER_MS)
        self.recovery.close(0)
        self.state.close()

    def _heartbeat(self, kind: MarketKind, records: Records) -> bytes:
        head = MARKET_HEAD.pack(
            Channel.HEARTBEAT, 0, self._next_heartbeat, self._sequence, 0, kind, 0, len(records), 0
        )
        self._next_heartbeat += 1
        return head + records.tobytes()

    def _definition(self, instrument: int, *, image: bool = False) -> bytes:
        """The frame of an instrument's last definition; an image has the number of the next."""
        number, body = self._definitions[instrument]
        flags = MarketFlag.IMAGE | MarketFlag.MORE if image else 0
        kind, number = MarketKind.DEFINITION, number + image
        head = MARKET_HEAD.pack(Channel.DEFINITIONS, instrument, number, 0, 0, kind, flags, 1, 0)
        return head + body

    def _next_definitions(self) -> Records:
        records = np.zeros(len(self._definitions), NEXT)
        records["instrument"] = list(self._definitions)
        records["channel"] = Channel.DEFINITIONS
        records["sequence"] = [number + 1 for number, _ in self._definitions.values()]
        return records

    def _update_wanted(self) -> None:
        """Set for which channels and instruments frames are made: those of a subscribed prefix."""
        wanted = self.state.wanted
        wanted[:] = 0
        for topic in self._topics:
            for channel, place in CHANNELS.items():
                if not topic or (topic[0] == channel and len(topic) < 8):
                    wanted[place] = 1
                elif topic[0] == channel and topic[1:4] == bytes(3):
                    instrument = int.from_bytes(topic[4:8], "little")
                    if instrument < wanted.shape[1]:
                        wanted[place, instrument] = 1

    def _read_request(self) -> bool:
        """Read one request for an image, and queue the image; returns whether there was one."""
        try:
            route = self.recovery.recv(zmq.NOBLOCK)
        except zmq.Again:
            return False
        frame = self.recovery.recv(zmq.NOBLOCK, False)
        parts = 1
        content = frame.bytes
        while frame.more:
            frame = self.recovery.recv(zmq.NOBLOCK, False)
            parts += 1
        try:
            request = image_request.decode(content)
            channel = Channel(ord(request.channel))
        except (msgspec.DecodeError, ValueError):
            log_refusal(self.counters, LOG, "no image request", str(frame.get("User-Id")))
            return True
        frames = self._image(channel, request.instrument, request.from_sequence)
        if not frames or parts > 1:
            log_refusal(self.counters, LOG, "no such image", str(frame.get("User-Id")))
            return True
        self.counters["images"] += 1
        self._images.append((self._sequence, route, frames))
        return True

    def _image(self, channel: Channel, instrument: int, from_sequence: int) -> list[bytes]:
        if channel == Channel.DEFINITIONS:
            chosen = [n for n in self._definitions if instrument in (0, n)]
            frames = [self._definition(n, image=True) for n in chosen]
            end = MARKET_HEAD.pack(channel, 0, 0, 0, 0, MarketKind.DEFINITION, 2, 0, 0)
            return [*frames, end]
        if channel not in CHANNELS or not 0 < instrument < len(self.state.instruments):
            return []
        return self.state.image(channel, instrument, from_sequence)

    def _send_image(self, route: bytes, frames: list[bytes]) -> None:
        try:
            for frame in frames:
                self.recovery.send(route, zmq.SNDMORE | zmq.NOBLOCK)
                self.recovery.send(frame, zmq.NOBLOCK)
        except zmq.Again:
            self.counters["images broken off"] += 1
        except zmq.ZMQError as error:
            if error.errno != errno.EHOSTUNREACH:
                raise
