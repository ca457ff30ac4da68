"""Last-value channels: every frame holds the whole value, so the newest frame replaces all others.

A lost frame needs no repair.
"""

import numpy as np

from feeds.client.channel_replica import ChannelReplica
from feeds.protocol.messages import Definition, definition
from feeds.protocol.records import MARKET, MarketFlag, read_market_head


class LastValue(ChannelReplica):
    """Best prices, phase or statistics of one instrument."""

    def __init__(self, instrument: int, record: "np.dtype[np.void]") -> None:
        super().__init__(instrument)
        self.values: dict[str, int] = {}
        self._record = record

    def receive(self, frame: bytes) -> bool:
        """Process a frame. Always True: every frame is an image, so none is needed."""
        head = read_market_head(frame)
        sequence, is_image = head.sequence, head.flags & MarketFlag.IMAGE
        if is_image and self._newest_sent < 0:
            self._newest_sent = sequence - 1
        if not is_image:
            self._count(sequence)
            sequence += 1
        if self.next_sequence < sequence or not self.is_complete:
            self._apply_records(frame)
            self.next_sequence, self.command = sequence, head.command
            self.is_complete = True
            self.repairs += 1 if is_image else 0
        return True

    def _clear(self) -> None:
        self.values = {}

    def _apply_records(self, frame: bytes) -> bool:
        row = np.frombuffer(frame, self._record, -1, MARKET.itemsize)[-1]
        self.values = {name: int(row[name]) for name in self._record.names or ()}
        return True


class LastDefinition(LastValue):
    """An instrument's definition."""

    definition: Definition

    def __init__(self, instrument: int) -> None:
        super().__init__(instrument, MARKET)

    def _apply_records(self, frame: bytes) -> bool:
        self.definition = definition.decode(frame[MARKET.itemsize :])
        return True
