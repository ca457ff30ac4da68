"""The venue's loop, turn by turn, in the test's own process."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from exchange.venue.builder import build_venue
from exchange.venue.clock import parse_clock
from exchange.venue.config import read_config
from exchange.venue.venue import Venue
from matching.records import COMMAND, CommandKind, Phase
from tests.support.venue_process import START, World


@pytest.fixture
def venue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Venue]:
    monkeypatch.chdir(tmp_path)
    World(tmp_path, config="durable = false\n")  # for its configuration and keys
    with build_venue(read_config(tmp_path / "venue.toml"), parse_clock(f"{START}*1")) as venue:
        yield venue


def halt(venue: Venue) -> None:
    """Append, process and publish a halt, as a turn does, without its housekeeping."""
    command = np.zeros(1, COMMAND)
    command["kind"], command["type"] = CommandKind.PHASE, Phase.HALTED
    command["instrument"] = venue.registry.instruments[-1].id
    command["sequence"], command["time_ns"] = venue.day_log.next_sequence, venue.clock.now_ns()
    venue.day_log.append(command)
    events = venue.engine.process(command).tobytes()
    venue.market_data.publish(events, venue.day_log.last_sequence)


def test_the_turn_after_an_answer_publishes_and_leaves_nothing_waiting(venue: Venue) -> None:
    venue.step()
    venue.step()
    venue.market_data.state.wanted[:] = 1
    before = venue.market_data.frames_sent
    halt(venue)
    assert venue.market_data.frames_sent == before
    venue.step()
    assert venue.market_data.frames_sent > before
    assert not venue.market_data._pending
