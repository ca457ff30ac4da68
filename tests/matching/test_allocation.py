"""Memory of tables: zeros on whole cache lines, with and without huge pages."""

import mmap

import numpy as np
import pytest

from matching.memory import allocation
from matching.memory.allocation import LINE, allocate

SHAPES = {"orders": (3, np.dtype("<i8")), "links": (5, np.dtype("<u4")), "events": (2, "S64")}
TYPED = {name: (length, np.dtype(dtype)) for name, (length, dtype) in SHAPES.items()}


@pytest.mark.parametrize("sparse_bytes", [1, allocation.SPARSE_BYTES])
@pytest.mark.parametrize("advice", [True, False])
def test_tables_are_zeros_on_cache_lines_and_share_nothing(monkeypatch, sparse_bytes, advice):
    monkeypatch.setattr(allocation, "SPARSE_BYTES", sparse_bytes)
    if not advice:
        monkeypatch.delattr(mmap, "MADV_HUGEPAGE", raising=False)
        monkeypatch.delattr(mmap, "MADV_NOHUGEPAGE", raising=False)
    arrays = allocate(TYPED)
    assert list(arrays) == list(TYPED)
    for name, array in arrays.items():
        assert (len(array), array.dtype) == TYPED[name]
        assert not array.tobytes().strip(b"\0")
        assert array.ctypes.data % LINE == 0
    arrays["orders"].view(np.uint8)[:] = 255
    assert not arrays["links"].any()
    assert not arrays["events"].tobytes().strip(b"\0")
