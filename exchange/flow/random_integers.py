"""Random whole numbers that are the same for a seed everywhere and for ever.

Built on the raw stream of PCG64, which numpy promises not to change (its distributions may), and
on integers only, because floating-point functions differ between processors.
"""

import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class Dice:
    """A stream of whole numbers for one seed and one purpose.

    Streams of other purposes are independent of it, so that one part of a day can change without
    moving the others.
    """

    def __init__(self, seed: int, purpose: str) -> None:
        sequence = np.random.SeedSequence([seed, zlib.crc32(purpose.encode())])
        self._bits = np.random.PCG64(sequence)

    def below(self, bounds: int | Ints, size: int) -> Ints:
        """`size` numbers from 0 to bound - 1; bounds may differ, up to 2^31 each.

        >>> Dice(1, "example").below(6, 5).tolist()
        [1, 4, 2, 1, 4]
        """
        assert np.all(np.asarray(bounds) >= 1)
        assert np.all(np.asarray(bounds) <= 2**31)
        raw = np.asarray(self._bits.random_raw(size), dtype=np.uint64) >> np.uint64(32)
        scaled = raw * np.asarray(bounds, dtype=np.uint64) >> np.uint64(32)
        return scaled.astype(np.int64)

    def between(self, low: int, high: int, size: int) -> Ints:
        """`size` numbers from low to high, both included."""
        return low + self.below(high - low + 1, size)

    def chance(self, percent: int, size: int) -> Bools:
        """`size` answers, each true with the given chance in percent."""
        return np.asarray(self.below(100, size) < percent)

    def pick(self, weights: Sequence[int], size: int) -> Ints:
        """`size` indices into `weights`, each drawn in proportion to its weight."""
        edges = np.cumsum(np.asarray(weights, dtype=np.int64))
        return np.searchsorted(edges, self.below(int(edges[-1]), size), side="right").astype(
            np.int64
        )
