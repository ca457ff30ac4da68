"""Channels whose every frame says all there is: the last one counts, lost ones are overtaken."""

import numpy as np

from feeds.client.channel_replica import Replica
from feeds.protocol.messages import Definition, definition
from feeds.protocol.records import MARKET, MARKET_HEAD, MarketFlag


class Latest(Replica):
    """Best prices, phase or statistics of one instrument."""

    def __init__(self, instrument: int, record: "np.dtype[np.void]") -> None:
        super().__init__(instrument)
        self.values: dict[str, int] = {}
        self._record = record

    def take(self, frame: bytes) -> bool:
        """Take in a frame; never in need of an image, because it is one."""
        head = MARKET_HEAD.unpack_from(frame)
        sequence, image = head[2], head[6] & MarketFlag.IMAGE
        if image and self._newest < 0:
            self._newest = sequence - 1
        if not image:
            self._count(sequence)
            sequence += 1
        if self.sequence < sequence or not self.is_whole:
            self._put(frame)
            self.sequence, self.command = sequence, head[3]
            self.is_whole = True
            self.repairs += 1 if image else 0
        return True

    def _clear(self) -> None:
        self.values = {}

    def _put(self, frame: bytes) -> bool:
        row = np.frombuffer(frame, self._record, -1, MARKET.itemsize)[-1]
        self.values = {name: int(row[name]) for name in self._record.names or ()}
        return True


class Announced(Latest):
    """An instrument's definition."""

    definition: Definition

    def __init__(self, instrument: int) -> None:
        super().__init__(instrument, MARKET)

    def _put(self, frame: bytes) -> bool:
        self.definition = definition.decode(frame[MARKET.itemsize :])
        return True
