"""Random integers that depend on the seed alone, on every machine and with every numpy.

They come from the raw stream of PCG64, which numpy promises not to change (its distributions may).
All arithmetic is on integers, because floating-point functions differ between processors.
"""

import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class SeededIntegers:
    """A stream of random integers for one seed and one purpose.

    The streams of different purposes are independent, so one part of a day can change without
    changing the others.
    """

    def __init__(self, seed: int, purpose: str) -> None:
        sequence = np.random.SeedSequence([seed, zlib.crc32(purpose.encode())])
        self._bits = np.random.PCG64(sequence)

    def below(self, bounds: int | Ints, size: int) -> Ints:
        """`size` integers from 0 to bound - 1; each may have its own bound, up to 2^31.

        >>> SeededIntegers(1, "example").below(6, 5).tolist()
        [1, 4, 2, 1, 4]
        """
        assert np.all(np.asarray(bounds) >= 1)
        assert np.all(np.asarray(bounds) <= 2**31)
        raw = np.asarray(self._bits.random_raw(size), dtype=np.uint64) >> np.uint64(32)
        scaled = raw * np.asarray(bounds, dtype=np.uint64) >> np.uint64(32)
        return scaled.astype(np.int64)

    def between(self, low: int, high: int, size: int) -> Ints:
        """`size` integers from low to high, both included."""
        return low + self.below(high - low + 1, size)

    def chance(self, percent: int, size: int) -> Bools:
        """`size` booleans, each true with the given probability in percent."""
        return np.asarray(self.below(100, size) < percent)

    def pick(self, weights: Sequence[int], size: int) -> Ints:
        """`size` indices into `weights`, each drawn in proportion to its weight."""
        edges = np.cumsum(np.asarray(weights, dtype=np.int64))
        return np.searchsorted(edges, self.below(int(edges[-1]), size), side="right").astype(
            np.int64
        )
