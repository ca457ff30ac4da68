"""The hash table of live orders' keys, against a plain dict: nearly full, with refs in a row."""

from random import Random

import numba
import numpy as np
import numpy.typing as npt
import pytest

from feeds.market_data.change_set import key_index, remove_key
from feeds.market_data.layout import ORDER_KEY

Keys = npt.NDArray[np.void]
SIZE = 64


@numba.njit
def put(keys: Keys, key: int, slot: int) -> None:
    entry = keys[key_index(keys, key)]
    entry["key"], entry["slot"] = key, slot


@numba.njit
def find(keys: Keys, key: int) -> int:
    entry = keys[key_index(keys, key)]
    return int(entry["slot"]) if entry["key"] == key else -1


@numba.njit
def remove(keys: Keys, key: int) -> None:
    remove_key(keys, key)


@pytest.mark.parametrize("seed", range(8))
def test_keys_are_found_and_removed_however_they_collide(seed: int) -> None:
    random, table = Random(seed), np.zeros(SIZE, ORDER_KEY)
    known: dict[int, int] = {}
    keys = [session << 32 | ref for session in (1, 2, 3, 1000) for ref in range(1, 40)]
    for slot in range(3_000):
        key = random.choice(keys)
        if key in known:
            remove(table, key)
            del known[key]
        elif len(known) < SIZE - 1:
            put(table, key, slot)
            known[key] = slot
        else:
            for gone in random.sample(sorted(known), random.randrange(SIZE)):
                remove(table, gone)
                del known[gone]
        if slot % 7 == 0:
            for each in keys:
                assert find(table, each) == known.get(each, -1)
    assert np.count_nonzero(table["key"]) == len(known)


def test_refs_in_a_row_stand_side_by_side() -> None:
    table = np.zeros(1 << 12, ORDER_KEY)
    for ref in range(8, 16):
        put(table, 5 << 32 | ref, ref)
    first = int(np.flatnonzero(table["key"])[0])
    assert first % 8 == 0
    assert table["slot"][first : first + 8].tolist() == list(range(8, 16))
