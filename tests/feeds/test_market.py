"""Market data: what clients build from frames equals the state of the engine."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
import pytest

from feeds.client import LevelBook
from feeds.market_data.market_state import CHANNELS, MarketState
from feeds.protocol.errors import LogonRefused
from feeds.protocol.messages import Definition, Logout, RefusalReason, pack
from feeds.protocol.records import (
    MARKET,
    MARKET_HEAD,
    ORDER,
    STATISTICS,
    TRADE,
    Channel,
    MarketFlag,
    OrderAction,
)
from matching import Engine
from matching.records import CommandKind, EventKind, Side
from tests.support.event_reader import EventReader
from tests.support.stream_generator import ALL, WITH_BLOCKS, Features, stream
from tests.support.venue_process import World

COUNT = 1_500
Frames = list[bytes]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def market_of(
    seed: int, folder: Path, features: Features = ALL
) -> tuple[Engine, MarketState, np.ndarray]:  # type: ignore[type-arg]
    made = stream(seed, COUNT, features)
    market = MarketState(made.limits, folder)
    market.wanted[:] = 1
    return Engine(made.limits), market, made.commands


def of_channel(frames: Frames, channel: Channel, instrument: int) -> Iterator[bytes]:
    for frame in frames:
        head = MARKET_HEAD.unpack_from(frame)
        if (head[0], head[1]) == (channel, instrument):
            yield frame


def book_for(market: MarketState, instrument: int) -> LevelBook:
    ladder = market._ladders.ladders[instrument]
    low, width = int(ladder["low"]), int(ladder["width"])
    return LevelBook(
        Definition(
            instrument=instrument, symbol="X", contract="X", tick_fen=1, band_low=low,
            band_high=low + max(1, width) - 1, delivery_start_s=0, delivery_end_s=0, gate_s=0,
        )
    )  # fmt: skip


def sides(book: LevelBook) -> list[list[tuple[int, int]]]:
    return [[(x.price, x.quantity) for x in side] for side in (book.bids(9_999), book.asks(9_999))]


@pytest.mark.parametrize("seed", range(6))
def test_levels_after_every_command_are_those_of_a_plain_reader(seed: int, folder: Path) -> None:
    engine, market, commands = market_of(seed, folder)
    reader = EventReader()
    listed = range(1, engine.limits.instruments + 1)
    for index in range(len(commands)):
        events = engine.process(commands[index : index + 1])
        reader.read(events)
        market.derive_frames(events)
        for instrument in set(events["instrument"].tolist()) & set(listed):
            expected = [list(side) for side in reader.depth(instrument)]
            for side in Side:
                levels = [(p, q) for p, q, _ in market.levels(instrument, side)]
                assert levels == expected[side], (index, instrument)
    market.close()


@pytest.mark.parametrize("seed", range(4))
def test_frames_do_not_depend_on_how_commands_are_batched(seed: int, folder: Path) -> None:
    found = []
    for batch in (1, 7, COUNT):
        engine, market, commands = market_of(seed, folder, WITH_BLOCKS)
        frames: Frames = []
        for start in range(0, len(commands), batch):
            frames += market.derive_frames(engine.process(commands[start : start + batch]))
        found.append(frames)
        market.close()
    assert found[0] == found[1] == found[2]
    assert found[0]


@pytest.mark.parametrize("seed", range(4))
def test_a_book_that_loses_frames_detects_it_and_is_repaired(seed: int, folder: Path) -> None:
    engine, market, commands = market_of(seed, folder)
    dice = Random(seed)
    books: dict[int, LevelBook] = {}
    sent: dict[int, int] = defaultdict(int)
    for index in range(len(commands)):
        events = engine.process(commands[index : index + 1])
        for instrument in events["instrument"][events["kind"] == EventKind.BAND_SET].tolist():
            market.derive_frames(events)
            books[instrument] = book_for(market, instrument)
            events = events[:0]
        frames = market.derive_frames(events)
        for instrument, book in books.items():
            for frame in of_channel(frames, Channel.LEVELS, instrument):
                sent[instrument] += 1
                if dice.random() < 0.2:
                    continue
                book.receive(frame)
            following = int(market.sequences[CHANNELS[Channel.LEVELS], instrument])
            if not book.expect(following) and dice.random() < 0.5:
                for frame in market.image(Channel.LEVELS, instrument, 0):
                    book.receive(frame)
            if book.is_complete:
                for side, levels in enumerate(sides(book)):
                    assert levels == [(p, q) for p, q, _ in market.levels(instrument, side)]
    assert sum(sent.values()) > 100
    assert sum(book.repairs for book in books.values()) > 10
    assert all(book.wrong_checksums == 0 for book in books.values())
    for instrument, book in books.items():
        last = int(market.sequences[CHANNELS[Channel.LEVELS], instrument]) - 1
        assert book.received <= sent[instrument] == last
    market.close()


@pytest.mark.parametrize("features", [ALL, WITH_BLOCKS])
@pytest.mark.parametrize("seed", range(4))
def test_orders_trades_and_statistics_agree_with_the_events_of_a_day(
    seed: int, features: Features, folder: Path
) -> None:
    engine, market, commands = market_of(seed, folder, features)
    events = engine.process(commands).copy()
    frames = market.derive_frames(events)
    for instrument in range(1, engine.limits.instruments + 1):
        orders: dict[int, tuple[int, int, int]] = {}
        for frame in of_channel(frames, Channel.ORDERS, instrument):
            for row in np.frombuffer(frame, ORDER, -1, MARKET.itemsize):
                number, action = int(row["order_id"]), row["action"]
                assert (number in orders) or action == OrderAction.PLACE
                orders.pop(number, None) if action != OrderAction.CHANGE else None
                if action != OrderAction.REMOVE:
                    shown = int(row["price"]), int(row["shown"]), int(row["side"])
                    orders[number] = shown
        image = np.frombuffer(market.image(Channel.ORDERS, instrument, 0)[0], ORDER, -1, 40)
        assert [int(row["order_id"]) for row in image] == list(orders)
        for side in Side:
            depth: dict[int, int] = defaultdict(int)
            for price, shown, of in orders.values():
                depth[price] += shown if of == side else 0
            levels = {p: q for p, q, _ in market.levels(instrument, side)}
            assert {p: q for p, q in depth.items() if q} == levels
        published = [
            np.frombuffer(frame, TRADE, -1, MARKET.itemsize)[0]
            for frame in of_channel(frames, Channel.TRADES, instrument)
        ]
        taken = np.isin(events["kind"], (EventKind.FILLED, EventKind.BUSTED))
        taken &= (events["flags"] & 1 != 0) & (events["instrument"] == instrument)
        for name in ("trade_id", "trade_group"):
            assert [int(t[name]) for t in published] == events[name][taken].tolist()
        takers = events[taken & (events["kind"] == EventKind.FILLED)]
        again = market.image(Channel.TRADES, instrument, 1)[:-1]
        assert again == [
            _as_image(frame) for frame in of_channel(frames, Channel.TRADES, instrument)
        ]
        statistics = np.frombuffer(market.image(Channel.STATISTICS, instrument, 0)[0], STATISTICS,
                                   -1, 40)[0]  # fmt: skip
        busted = events[taken & (events["kind"] == EventKind.BUSTED)]
        assert statistics["volume"] == takers["quantity"].sum() - busted["quantity"].sum()
        assert statistics["trades"] == len(takers) - len(busted)
    market.close()


def _as_image(frame: bytes) -> bytes:
    """The frame as it is sent again: marked IMAGE and MORE."""
    return frame[:33] + bytes([MarketFlag.IMAGE | MarketFlag.MORE]) + frame[34:]


def test_clients_follow_a_venue_until_the_end_of_the_day(tmp_path: Path) -> None:
    world = World(tmp_path).start()
    try:
        buyer, seller = world.client("east-1"), world.client("coast-1")
        number, price = world.instrument().id, world.price()
        book = seller.book(number)
        seller.market.follow(Channel.TRADES)
        seller.pump(0.5)
        refs = [
            buyer.orders.new(world.account(), number, Side.BUY, 2, price - place).cl_ord_id
            for place in range(5)
        ]
        seller.wait_for(lambda: len(book.bids()) == 5 or None)
        assert [(x.price, x.quantity) for x in book.bids()] == [(price - n, 2) for n in range(5)]
        supplier = world.account("coast-1", "supplier")
        seller.orders.new(supplier, number, Side.SELL, 3, price - 1)
        trades = [next(seller.trades(timeout_s=5)) for _ in range(2)]
        assert [(t.price, t.quantity, t.side) for t in trades] == [
            (price, 2, "2"),
            (price - 1, 1, "2"),
        ]
        buyer.orders.cancel(refs[4])
        seller.wait_for(lambda: len(book.bids()) == 3 or None)
        assert (book.missed, book.wrong_checksums, book.repairs) == (0, 0, 1)
        late = world.client("east-2")
        assert sides(late.book(number)) == sides(book)
        late.session.receive(pack(Logout(reason=RefusalReason.DAY_OVER)))
        late.check()  # the last market data may still be on its way
        late.market.is_over = True
        with pytest.raises(LogonRefused, match="DAY_OVER"):
            late.check()
        world.ask_to_close()
        seller.wait_for(lambda: seller.market.is_over or None)
    finally:
        world.end()
    assert CommandKind.CLOCK in world.log().commands()["kind"]
