"""Streams on which engine and reference once differed, found by long runs of random commands."""

import pytest

from tests.tools.fuzz import LENGTH, run_seed

FINDS = {
    90329: "blocks were tried between two orders that expire in an instrument at one second",
}


@pytest.mark.parametrize("seed", FINDS, ids=FINDS.get)
def test_a_stream_that_once_failed_passes(seed: int) -> None:
    assert run_seed((seed, LENGTH))[2] is None
