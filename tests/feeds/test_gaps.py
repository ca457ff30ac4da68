"""Lost market data: clients count what they lost, and show the same as the engine."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from itertools import product
from pathlib import Path
from random import Random

import numpy as np
import pytest

from feeds.client import BlockBook, OrderBook, Trade, connect_async
from feeds.client.base_client import BaseClient
from feeds.client.last_value import LastValue
from feeds.client.market_view import MarketView, ReplicaKey
from feeds.market_data.market_state import CHANNELS, MarketState
from feeds.protocol.errors import OrderRejected
from feeds.protocol.messages import Definition, ListInstrument, encode
from feeds.protocol.records import MARKET_HEAD, NEXT, Channel, MarketFlag, MarketKind
from matching.records import EventKind, Side
from matching.reference.blocks import Block
from matching.reference.book import Instrument
from matching.reference.engine import ReferenceEngine
from tests.end_to_end.test_kill import replay_log
from tests.support.stream_generator import ALL, WITH_BLOCKS, Features, Stream, stream
from tests.support.venue_process import World

COUNT = 1_500
DEFINED = Channel.DEFINITIONS


class LossyNetwork:
    """The network between a venue and a view: loses frames, and delivers images."""

    def __init__(self, seed: int, market: MarketState) -> None:
        self.dice = Random(seed)
        self.market = market
        self.sent: Counter[ReplicaKey] = Counter()
        self.view = MarketView()
        for channel in CHANNELS:
            self.view.follow(channel)
        self.view.receive(MARKET_HEAD.pack(DEFINED, 0, 0, 0, 0, MarketKind.DEFINITION, 2, 0, 0))

    def define(self, instrument: int, low: int, high: int) -> None:
        """Deliver an instrument's definition, and begin to follow its channels."""
        definition = Definition(
            instrument=instrument, symbol=f"X{instrument}", contract="X", tick_fen=1, band_low=low,
            band_high=high, delivery_start_s=0, delivery_end_s=0, gate_s=0,
        )  # fmt: skip
        kind = MarketKind.DEFINITION
        self.view.receive(
            MARKET_HEAD.pack(DEFINED, instrument, 1, 0, 0, kind, 0, 1, 0) + encode(definition)
        )
        self.beat(instrument)
        self.repair(1)

    def carry(self, frames: list[bytes], lost: float = 0.2) -> None:
        """Deliver the frames, except for a random part of them."""
        for frame in frames:
            head = MARKET_HEAD.unpack_from(frame)
            self.sent[Channel(head[0]), head[1]] += 1
            if self.dice.random() >= lost:
                self.view.receive(frame)

    def repair(self, chance: float) -> None:
        """Deliver some of the images that are missing; some of them without their last frame."""
        for channel, instrument, start in self.view.missing_images():
            if self.dice.random() < chance:
                frames = self.market.image(channel, instrument, start)
                whole = self.dice.random() < 0.8 or chance == 1
                for frame in frames if whole else frames[:-1]:
                    self.view.receive(frame)

    def beat(self, instrument: int) -> None:
        records = np.zeros(len(CHANNELS), NEXT)
        records["channel"], records["instrument"] = list(CHANNELS), instrument
        records["sequence"] = self.market.sequences[:, instrument]
        kind = MarketKind.HEARTBEAT
        head = MARKET_HEAD.pack(Channel.HEARTBEAT, 0, 1, 0, 0, kind, 0, len(records), 0)
        self.view.receive(head + records.tobytes())


def bands(made: Stream) -> dict[int, tuple[int, int]]:
    """Lowest and highest price of all bands of every instrument of a stream."""
    events = ReferenceEngine(made.limits).process(made.commands)
    found: dict[int, tuple[int, int]] = {}
    for event in events[events["kind"] == EventKind.BAND_SET]:
        band = int(event["price"]), int(event["quantity"])
        low, high = found.get(int(event["instrument"]), band)
        found[int(event["instrument"])] = min(low, band[0]), max(high, band[1])
    return found


def queues(book: Instrument) -> list[list[tuple[int, int]]]:
    """Price and shown quantity of every order in the engine's book, in queue order."""
    return [
        [(price, each.shown) for price, level in book.levels(side) for each in level.values()]
        for side in Side
    ]


def shown_orders(book: OrderBook) -> list[list[tuple[int, int]]]:
    return [[(each.price, each.shown) for each in side] for side in (book.bids(), book.asks())]


BlockShown = tuple[int, int, int, int, int]


def standing_blocks(engine: ReferenceEngine, instrument: int) -> list[BlockShown]:
    """The engine's standing blocks that begin with an instrument, in order of priority."""
    found = [
        (block.side, -block.price if block.side == Side.BUY else block.price, block.accepted, block)
        for block in engine._market.orders.values()
        if isinstance(block, Block) and block.instrument.id == instrument
    ]
    return [
        (block.instrument.id, block.block_hours, block.side, block.price, block.leaves)
        for *_, block in sorted(found, key=lambda each: each[:3])
    ]


def shown_blocks(view: MarketView, instrument: int) -> list[BlockShown]:
    """The blocks that a view shows, in the same form."""
    blocks = view.blocks(instrument)
    return [
        (each.instrument, each.hours, each.side, each.price, each.quantity)
        for each in blocks.bids() + blocks.asks()
    ]


def agrees(
    view: MarketView, market: MarketState, engine: ReferenceEngine, instruments: Iterable[int]
) -> int:
    """Compare all complete replicas of some instruments; returns how many were compared."""
    compared = 0
    listed = engine._market.instruments
    known = [n for n in instruments if n in listed and n in view.definitions]
    for channel, number in product(CHANNELS, known):
        replica = view.replica(channel, number)
        if not replica.is_complete:
            continue
        if replica.next_sequence != market.sequences[CHANNELS[channel], number]:
            continue  # it lost the newest frame, which the next one will show
        compared += 1
        if channel == Channel.ORDERS:
            assert shown_orders(view.orders_book(number)) == queues(
                engine._market.instruments[number]
            )
        elif channel == Channel.LEVELS:
            book = view.book(number)
            assert book.wrong_checksums == 0
            for side, levels in enumerate((book.bids(9_999), book.asks(9_999))):
                assert [(x.price, x.quantity) for x in levels] == engine.depth(number, 9_999)[side]
        elif channel == Channel.BLOCKS:
            assert shown_blocks(view, number) == standing_blocks(engine, number)
        elif isinstance(replica, LastValue):
            image = market.image(channel, number, 0)[0]
            fresh = LastValue(number, replica._record)
            fresh.receive(image)
            assert replica.values == fresh.values
    return compared


@pytest.mark.parametrize("features", [ALL, WITH_BLOCKS])
@pytest.mark.parametrize("seed", range(3))
def test_a_view_that_loses_frames_of_every_channel_is_correct_after_every_increment(
    seed: int, features: Features, tmp_path: Path
) -> None:
    made = stream(seed, COUNT, features)
    engine, market = ReferenceEngine(made.limits), MarketState(made.limits, tmp_path)
    market.wanted[:] = 1
    network, compared, trades = LossyNetwork(seed, market), 0, []
    for number, (low, high) in bands(made).items():
        network.define(number, low, high)
    stood = 0
    for index in range(COUNT):
        events = engine.process(made.commands[index : index + 1])
        stood += any(isinstance(each, Block) for each in engine._market.orders.values())
        taker = np.isin(events["kind"], (EventKind.FILLED, EventKind.BUSTED)) & (
            events["flags"] & 1 != 0
        )
        trades += events["trade_id"][taker].tolist()
        network.carry(market.derive_frames(events), lost=0.3)
        network.repair(0.3)
        if network.dice.random() < 0.05:
            for instrument in network.view.definitions:
                network.beat(instrument)
        touched = set(events["instrument"].tolist())
        compared += agrees(network.view, market, engine, touched)
    for instrument in network.view.definitions:
        network.beat(instrument)
    network.repair(1)
    assert not network.view.missing_images()
    everything = list(network.view.definitions)
    assert agrees(network.view, market, engine, everything) == len(CHANNELS) * len(everything)
    assert compared > COUNT
    assert (stood > 30) == (features == WITH_BLOCKS), stood
    assert sorted(each.trade_id for each in network.view.trades) == sorted(trades)
    for place, replica in network.view.replicas.items():
        if place[0] != DEFINED:
            assert network.sent[place] == replica.received + replica.missed, place
    assert sum(r.missed for r in network.view.replicas.values()) > 30
    market.close()


class Loss:
    """Makes a client lose 30 % of its market data, heartbeats included, until `over` is set."""

    def __init__(self, client: BaseClient, seed: int) -> None:
        self.over = False
        self.lost = 0
        self._dice = Random(seed)
        self._take = client.market.receive
        client.market.receive = self.take  # type: ignore[method-assign]

    def take(self, frame: bytes) -> None:
        image = MARKET_HEAD.unpack_from(frame)[6] & MarketFlag.IMAGE
        if image or self.over or self._dice.random() > 0.3:
            self._take(frame)
        else:
            self.lost += 1


def trade_some(world: World, dice: Random, turns: int) -> None:
    buyer, seller = world.client("east-1"), world.client("coast-1")
    supplier = world.account("coast-1", "supplier")
    blocks: list[int] = []
    for _ in range(turns):
        number, price = world.instrument(dice.randrange(2)).id, world.price()
        first = world.instrument(1).id
        dear = price - 2 + dice.randrange(2)
        block = buyer.orders.new_block(world.account(), first, 2, Side.BUY, 1, dear)
        blocks.append(block.cl_ord_id)
        if len(blocks) > 5:
            with suppress(OrderRejected):  # it has traded
                buyer.orders.cancel(blocks.pop(dice.randrange(5)))
        bid = price - dice.randrange(4)
        buyer.orders.new(world.account(), number, Side.BUY, dice.randrange(2, 9), bid, display=2)
        seller.orders.new(supplier, number, Side.SELL, 1, bid + 1)


def follow(client: BaseClient, numbers: list[int]) -> list[ReplicaKey]:
    """Follow every channel of some instruments."""
    for channel in CHANNELS:
        for number in numbers:
            client.market.follow(channel, number)
    return [(channel, number) for channel in CHANNELS for number in numbers]


def is_up_to(client: BaseClient, market: MarketState, before: dict[ReplicaKey, int]) -> bool | None:
    """Whether a client is complete up to the log, and has counted every frame."""
    for place, first in before.items():
        replica = client.market.replicas[place]
        following = market.sequences[CHANNELS[place[0]], place[1]]
        heard = replica.received + replica.missed
        if (
            not replica.is_complete
            or replica.next_sequence != following
            or heard < following - first
        ):
            return None
    return True


def check_against_log(world: World, client: BaseClient, before: dict[ReplicaKey, int]) -> None:
    """Check that a client shows what the log alone gives, and that its counts add up."""
    market = replay_log(world, world.folder)[1]
    trades: list[Trade] = []
    for (channel, number), first in before.items():
        replica = client.market.replicas[channel, number]
        fresh = MarketView()
        fresh.definitions.update(client.market.definitions)
        for frame in market.image(channel, number, 1):
            fresh.replica(channel, number).receive(frame)
        expected = fresh.replica(channel, number)
        if isinstance(replica, OrderBook):
            assert isinstance(expected, OrderBook)
            assert (replica.bids(), replica.asks()) == (expected.bids(), expected.asks())
        elif isinstance(replica, LastValue):
            assert isinstance(expected, LastValue)
            assert replica.values == expected.values
        elif channel == Channel.LEVELS:
            assert list(client.market.book(number)) == list(fresh.book(number))
        elif isinstance(replica, BlockBook):
            assert client.market.blocks(number).bids() == fresh.blocks(number).bids()
        trades += fresh.trades
        sent = int(market.sequences[CHANNELS[channel], number]) - first
        assert replica.received + replica.missed == sent, (channel, number)
    assert sorted(client.market.trades, key=lambda each: each.trade_id) == sorted(
        trades, key=lambda each: each.trade_id
    )
    assert len(trades) > 20
    market.close()


def symbols(client: BaseClient) -> set[str]:
    return {each.symbol for each in client.market.definitions.values()}


NEW_SYMBOL = "H800.QD.2026112407"


def test_the_synchronous_client_repairs_every_channel(tmp_path: Path) -> None:
    world = World(tmp_path).start()
    try:
        client = world.client("west-1")
        numbers = [world.instrument(place).id for place in range(2)]
        client.instrument(numbers[0])
        places = follow(client, numbers)
        client.orders_book(numbers[0])
        client.wait_for(lambda: not client.market.missing_images() or None)
        before = {each: client.market.replicas[each].next_sequence for each in places}
        loss = Loss(client, 1)
        trade_some(world, Random(1), 80)
        world.operator().request(ListInstrument(symbol=NEW_SYMBOL))
        client.pump(0.1)
        assert client.pump(0.1) or loss.lost
        loss.over = True
        market = replay_log(world, tmp_path)[1]
        client.wait_for(lambda: is_up_to(client, market, before))
        client.wait_for(lambda: NEW_SYMBOL in symbols(client) or None)
        check_against_log(world, client, before)
        assert loss.lost > 50
    finally:
        world.end()


def test_the_asynchronous_client_repairs_every_channel(tmp_path: Path) -> None:
    world = World(tmp_path).start()
    try:
        asyncio.run(_use_async_client(world, tmp_path))
    finally:
        world.end()


async def _use_async_client(world: World, folder: Path) -> None:
    async with await connect_async(world.connection, world.secret("west-1")) as client:
        numbers = [world.instrument(place).id for place in range(2)]
        await client.instrument(numbers[0])
        places = follow(client, numbers)
        await client.orders_book(numbers[0])
        await client.wait_for(lambda: not client.market.missing_images() or None)
        before = {each: client.market.replicas[each].next_sequence for each in places}
        loss = Loss(client, 2)
        loop = asyncio.get_running_loop()
        trading = loop.run_in_executor(None, trade_some, world, Random(2), 80)
        await client.wait_for(lambda: trading.done() or None)
        await trading
        world.operator().request(ListInstrument(symbol=NEW_SYMBOL))
        loss.over = True
        market = replay_log(world, folder)[1]
        await client.wait_for(lambda: is_up_to(client, market, before))
        await client.wait_for(lambda: NEW_SYMBOL in symbols(client) or None)
        check_against_log(world, client, before)
        assert loss.lost > 50
