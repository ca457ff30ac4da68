"""kill -9 of the venue under load: nothing acknowledged is lost, nothing is executed twice."""

import json
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random

import numpy as np
import pytest
from msgspec.structs import astuple

from feeds.client import BlockBook, MarketView
from feeds.gateway.report_streams import ReportStreams
from feeds.market_data.market_state import MarketState
from feeds.protocol.records import Channel
from matching import Engine
from matching.records import COMMAND, EVENT, CommandKind, EventFlag, EventKind, Side
from tests.support.venue_process import BROKERS, MEMBERS, World

FIXED = """
orders = "tcp://127.0.0.1:{0}"
admin = "tcp://127.0.0.1:{1}"
market = "tcp://127.0.0.1:{2}"
recovery = "tcp://127.0.0.1:{3}"
"""


def free_ports(count: int) -> list[int]:
    """Ports that are free now."""
    import socket

    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


def start_broker(world: World, name: str, seed: int) -> "subprocess.Popen[str]":
    firm = next(s.firm for s in MEMBERS.sessions if s.name == name)
    accounts = [
        (a.id, int(Side.BUY if a.role == "buyer" else Side.SELL))
        for a in MEMBERS.accounts
        if a.member == firm
    ]
    target = {
        "accounts": accounts,
        "instruments": [world.instrument(n).id for n in range(3)],
        "price": world.price(),
    }
    (world.folder / f"{name}.json").write_text(json.dumps(target))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.storm_broker", name, str(world.folder), str(seed)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def write_line(process: "subprocess.Popen[str]", line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def read_answer(process: "subprocess.Popen[str]") -> dict[str, object]:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, "a broker has failed"
    content: dict[str, object] = json.loads(line)
    return content


def run_day(folder: Path, kills: int, seed: int) -> None:
    world = World(folder, config=FIXED.format(*free_ports(4))).start()
    dice = Random(seed)
    brokers = [start_broker(world, name, seed + n) for n, name in enumerate(BROKERS)]
    try:
        for _ in range(kills):
            wait_for_commands(world, dice.randrange(200, 2_000))
            world.kill()
            world.start()
        wait_for_commands(world, 500)
        for broker in brokers:
            write_line(broker, "enough")
        for broker in brokers:
            assert int(str(read_answer(broker)["connections"])) >= 1
        wait_for_commands(world, 2)  # a CLOCK after the last command of the brokers
        streams, market = replay_log(world, folder)
        ids = {s.name: s.id for s in world.registry.sessions}
        for broker, name in zip(brokers, BROKERS, strict=True):
            write_line(broker, str(streams.streams[ids[name]].count))
        ends = [read_answer(broker) for broker in brokers]
        for broker in brokers:
            assert broker.wait(timeout=20) == 0
        streams, market = replay_log(world, folder)
        blocks_traded = sum(
            agrees(world, folder, name, streams, market, end)
            for name, end in zip(BROKERS, ends, strict=True)
        )
        assert blocks_traded > 3
        streams.close()
        market.close()
        ended = world.close_day()
        digest = ended["events_sha256"]
        log = world.log()
        assert log.sealed
        assert log.events_sha256 is not None
        assert log.events_sha256.hex() == digest
    finally:
        for broker in brokers:
            broker.kill()
            broker.communicate()
        world.end()


def wait_for_commands(world: World, commands: int) -> None:
    """Wait until the log has `commands` more commands."""
    path = world.folder / "venue" / "2026-11-22.log"
    expected_size = path.stat().st_size + 64 * commands
    end_s = time.monotonic() + 60
    while path.stat().st_size < expected_size:
        assert time.monotonic() < end_s, (world.folder / "stderr").read_text()[-2_000:]
        assert world.process is not None
        with suppress(subprocess.TimeoutExpired):
            world.process.wait(0.01)
            pytest.fail((world.folder / "stderr").read_text()[-2_000:])


def replay_log(world: World, folder: Path) -> tuple[ReportStreams, MarketState]:
    """Report streams of all sessions and the market state, derived from the log alone."""
    log = world.log()
    engine = Engine(log.limits)
    firms = {s.id: s.firm for s in log.registry.sessions}
    again = folder / f"again-{time.monotonic_ns()}"
    streams = ReportStreams(again, log.limits.sessions, firms)
    for number in firms:
        streams.open_session(number)
    market = MarketState(log.limits, again)
    for block in log.blocks():
        for start in range(0, len(block), 1_000):
            events = engine.process(block[start : start + 1_000])
            streams.append(events.tobytes())
            streams.dispatch()
            market.derive_frames(events)
    return streams, market


def agrees(
    world: World,
    folder: Path,
    name: str,
    streams: ReportStreams,
    market: MarketState,
    end: dict[str, object],
) -> int:
    """Check a broker's reports, orders and books against the log; returns its block trades."""
    number = next(s.id for s in world.registry.sessions if s.name == name)
    stream = streams.streams[number]
    content = (folder / f"{name}.reports").read_bytes()
    assert content == stream.read(1, stream.count)[: len(content)]
    reports = np.frombuffer(content, EVENT)
    accepted = reports["user_ref"][reports["kind"] == EventKind.ACCEPTED]
    assert len(np.unique(accepted)) == len(accepted)
    commands = world.log().commands()
    own = commands[commands["session"] == number]
    assert len(np.unique(own["user_ref"])) == len(own)
    sent = np.frombuffer((folder / f"{name}.sent").read_bytes(), COMMAND)
    orders = own[own["kind"] == CommandKind.NEW]["user_ref"]
    asked = sent[sent["kind"] == CommandKind.NEW]["user_ref"]
    assert set(orders.tolist()) == set(asked.tolist())
    books: dict[str, list[list[object]]] = end["books"]  # type: ignore[assignment]
    for instrument, levels in books.items():
        both = [("bid", 0), ("ask", 1)]
        expected = [[s, *row] for s, side in both for row in market.levels(int(instrument), side)]
        assert levels == expected
    assert end["blocks"] == standing_blocks(market, min(map(int, books)))
    return count_block_trades(stream.read(1, stream.count))


def standing_blocks(market: MarketState, instrument: int) -> list[object]:
    """The standing blocks by the log, in the form in which a broker lists them."""
    view = MarketView()
    replica = view.replica(Channel.BLOCKS, instrument)
    for frame in market.image(Channel.BLOCKS, instrument, 0):
        replica.receive(frame)
    assert isinstance(replica, BlockBook)
    found = sorted(replica, key=lambda each: (each.side, each.priority))
    return [list(astuple(each)) for each in found]


def count_block_trades(content: bytes) -> int:
    """Check that each block traded all of its hours or none; returns the number that traded."""
    reports = np.frombuffer(content, EVENT)
    of_blocks = reports[reports["flags"] & EventFlag.BLOCK != 0]
    quantity: dict[int, tuple[int, int]] = {}
    traded: dict[int, Counter[int]] = {}
    for event in of_blocks:
        ref = int(event["user_ref"])
        if event["kind"] == EventKind.ACCEPTED:
            quantity[ref] = int(event["quantity"]), int(event["hours"])
        elif event["kind"] == EventKind.FILLED:
            traded.setdefault(ref, Counter())[int(event["instrument"])] += int(event["quantity"])
    for ref, hours in traded.items():
        lots, count = quantity[ref]
        assert list(hours.values()) == [lots] * count, (ref, hours)
    return len(traded)


def test_a_venue_that_is_killed_under_load_loses_nothing(tmp_path: Path) -> None:
    run_day(tmp_path, kills=3, seed=1)


@pytest.mark.long
def test_a_venue_that_is_killed_a_hundred_times_loses_nothing(tmp_path: Path) -> None:
    run_day(tmp_path, kills=100, seed=2)
