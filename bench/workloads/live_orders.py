"""The set of live orders, read from events; cancels are drawn uniformly from it."""

import numpy as np
from numpy.typing import NDArray

from matching.records import EventKind

Ints = NDArray[np.int64]


class LiveOrders:
    """The live orders in arbitrary sequence, as keys: session x refs + user_ref.

    An update or a sample costs a few array operations, independent of the number of live orders.
    """

    def __init__(self, sessions: int, refs: int, orders: int) -> None:
        self._refs = refs
        self._keys = np.zeros(orders, np.int64)
        self._place = np.zeros((sessions + 1) * refs, np.int32)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def keys(self) -> Ints:
        """All keys: a view, valid until the next update."""
        return self._keys[: self._count]

    def key(self, session: Ints, user_ref: Ints) -> Ints:
        """Return the keys of orders."""
        return np.asarray(session.astype(np.int64) * self._refs + user_ref)

    def split(self, keys: Ints) -> tuple[Ints, Ints]:
        """Return session and user_ref of keys."""
        return keys // self._refs, keys % self._refs

    def sample(self, rng: np.random.Generator, count: int) -> Ints:
        """Draw keys of `count` different live orders uniformly; fewer if fewer are live."""
        places = rng.choice(self._count, min(count, self._count), replace=False, shuffle=True)
        return self._keys[places]

    def update(self, events: NDArray[np.void]) -> None:
        """Add the orders that were accepted, and remove those that ended."""
        kind = events["kind"]
        self._add(self._key_of(events[kind == EventKind.ACCEPTED]))
        ends = (kind == EventKind.FILLED) | (kind == EventKind.CANCELLED)
        ended = events[(ends | (kind == EventKind.EXPIRED)) & (events["leaves"] == 0)]
        self._remove(self._key_of(ended))

    def _key_of(self, events: NDArray[np.void]) -> Ints:
        return self.key(events["session"], events["user_ref"])

    def _add(self, keys: Ints) -> None:
        end = self._count + len(keys)
        self._keys[self._count : end] = keys
        self._place[keys] = np.arange(self._count, end)
        self._count = end

    def _remove(self, keys: Ints) -> None:
        """Remove keys, and move keys from the end into the holes."""
        places = self._place[keys]
        end = self._count - len(keys)
        stays = np.ones(len(keys), bool)
        stays[places[places >= end] - end] = False
        movers = self._keys[end : self._count][stays]
        holes = places[places < end]
        self._keys[holes] = movers
        self._place[movers] = holes
        self._count = end
