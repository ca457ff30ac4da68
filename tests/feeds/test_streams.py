"""Report streams: the receivers of a trade and of its bust."""

from pathlib import Path
from random import Random

import numpy as np
import pytest

from feeds.gateway import report_stream
from feeds.gateway.report_streams import ReportStreams
from matching import Engine
from matching.records import EVENT, EventKind
from tests.support.stream_generator import ALL, stream

COUNT = 1_500
FIRMS = 3


@pytest.mark.parametrize("scan", [1, 3, 4_096])
@pytest.mark.parametrize("seed", range(4))
def test_a_bust_goes_to_everybody_who_received_the_fill(
    seed: int, scan: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All trades of a random day are found, and busts reach the streams that they must."""
    monkeypatch.setattr(report_stream, "_SCAN_REPORTS", scan)
    made = stream(seed, COUNT, ALL)
    engine = Engine(made.limits)
    firms = {number: number % FIRMS for number in range(1, made.limits.sessions + 1)}
    # Far too little room, so that it grows.
    streams = ReportStreams(tmp_path, made.limits.sessions, firms, events=16, words=64)
    for number in firms:
        streams.open_session(number)
    copied = {firm: streams.open_firm(firm) for firm in range(1, FIRMS)}
    expected: dict[int, list[bytes]] = {number: [] for number in firms}
    expected |= {-firm: [] for firm in copied}
    fills: dict[tuple[int, int], np.void] = {}
    dice = Random(seed)
    for start in range(0, COUNT, 50):
        events = engine.process(made.commands[start : start + 50]).copy()
        streams.append(events.tobytes())
        if dice.random() < 0.5:  # some of it is durable
            streams.dispatch(int(dice.choice(events["sequence"])))
        for event in events:
            expect(event, fills, firms, expected)
    streams.dispatch()
    assert not streams.has_undispatched
    for number, reports in expected.items():
        own = streams.streams[number] if number > 0 else copied[-number]
        assert own is not None
        assert own.read(1, own.count) == b"".join(reports)
    trades = {trade for trade, _ in fills}
    for trade in (*trades, max(trades, default=0) + 1):
        found = sorted(each.tobytes() for each in streams.fills_of(trade))
        assert found == sorted(fills[key].tobytes() for key in fills if key[0] == trade)
    streams.close()


def expect(
    event: np.void,
    fills: dict[tuple[int, int], np.void],
    firms: dict[int, int],
    expected: dict[int, list[bytes]],
) -> None:
    """Add an event to the reports expected: by session number, and by minus the firm's number."""
    contents = {int(event["session"]): event.tobytes()}
    key = (int(event["trade_id"]), int(event["side"]))
    if event["kind"] == EventKind.FILLED:
        fills[key] = event
    if event["kind"] == EventKind.BUSTED and key in fills:
        report = np.frombuffer(bytearray(event.tobytes()), EVENT)
        report["session"], report["user_ref"] = fills[key]["session"], fills[key]["user_ref"]
        contents[int(fills[key]["session"])] = report.tobytes()
    copies = {-firms[number]: content for number, content in contents.items() if number in firms}
    for number, content in (contents | copies).items():
        if number in expected:
            expected[number].append(content)
