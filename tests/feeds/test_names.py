"""The table of live orders' names, against a plain dict: nearly full, with refs in a row."""

from random import Random

import numba
import numpy as np
import numpy.typing as npt
import pytest

from feeds.market_data import change_set as derivation

Names = npt.NDArray[np.int64]
SIZE = 64


@numba.njit
def put(names: Names, key: int, slot: int) -> None:
    place = derivation.place_of(names, key)
    names[place, 0], names[place, 1] = key, slot


@numba.njit
def find(names: Names, key: int) -> int:
    place = derivation.place_of(names, key)
    return int(names[place, 1]) if names[place, 0] == key else -1


@numba.njit
def remove(names: Names, key: int) -> None:
    derivation.forget(names, key)


@pytest.mark.parametrize("seed", range(8))
def test_names_are_found_and_forgotten_however_they_collide(seed: int) -> None:
    dice, names = Random(seed), np.zeros((SIZE, 2), np.int64)
    known: dict[int, int] = {}
    keys = [session << 32 | ref for session in (1, 2, 3, 1000) for ref in range(1, 40)]
    for slot in range(3_000):
        key = dice.choice(keys)
        if key in known:
            remove(names, key)
            del known[key]
        elif len(known) < SIZE - 1:
            put(names, key, slot)
            known[key] = slot
        else:
            for gone in dice.sample(sorted(known), dice.randrange(SIZE)):
                remove(names, gone)
                del known[gone]
        if slot % 7 == 0:
            for each in keys:
                assert find(names, each) == known.get(each, -1)
    assert np.count_nonzero(names[:, 0]) == len(known)


def test_refs_in_a_row_stand_side_by_side() -> None:
    names: Names = np.zeros((1 << 12, 2), np.int64)
    for ref in range(8, 16):
        put(names, 5 << 32 | ref, ref)
    first = int(np.flatnonzero(names[:, 0])[0])
    assert first % 8 == 0
    assert names[first : first + 8, 1].tolist() == list(range(8, 16))
