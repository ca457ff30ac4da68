"""The asynchronous client: the same names as `feeds.client.sync_client`, awaited.

async with await connect("venue/connection.toml", "venue/keys/east-1.secret") as client:
    order = await client.orders.new(account=1, instrument=7, side=Side.BUY, quantity=5, price=9)
    async for report in client.reports():
        ...

Heartbeats go out while something is awaited of it. With `cancel_on_disconnect` that must happen
more often than every `silence_ms_max`, or the venue takes the program for gone.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar, cast

import zmq

from feeds.client.base_client import Broker, Records
from feeds.client.block_book import Blocks
from feeds.client.connection_file import Connection
from feeds.client.level_book import Book
from feeds.client.order_book import OrdersBook
from feeds.client.sync_client import TIMEOUT_S
from feeds.client.trade_tape import Trade
from feeds.protocol import commands as ordering
from feeds.protocol.delivery_messages import (
    READINGS_MAX,
    MeterAnswer,
    MeterAnswers,
    MeterReading,
    MeterReadings,
    NoticeLine,
    Notices,
    NoticesRequest,
)
from feeds.protocol.errors import TimedOut
from feeds.protocol.execution_reports import Report
from feeds.protocol.keys import Secret
from feeds.protocol.messages import Message, OrderStatusRequest, Reply
from feeds.protocol.records import Channel
from matching.records import Side

T = TypeVar("T")
_TURN_S = 0.05
"""libzmq's descriptors tell of changes only; looking again this often misses nothing for long."""


async def connect(
    connection: Connection | str | Path,
    key: Secret | str | Path,
    *,
    timeout_s: float = TIMEOUT_S,
    **options: Any,
) -> "AsyncClient":
    """A client that is logged on; as `feeds.client.sync_client.connect`, awaited."""
    client = AsyncClient(connection, key, **options)
    client.timeout_s = timeout_s
    try:
        await client.wait_for(lambda: client.is_connected or None)
    except BaseException:
        client.close()
        raise
    return client


class AsyncOrders:
    """New orders, and what becomes of them; each call awaits the venue's answer."""

    def __init__(self, client: "AsyncClient") -> None:
        self._client = client

    async def new(
        self,
        account: int,
        instrument: int,
        side: Side,
        quantity: int,
        price: int = 0,
        *,
        basket: int | str = 0,
        **more: Any,
    ) -> Report:
        """Place an order; returns its acceptance. Raises as `sync_client.Orders.new`."""
        more["basket"] = await self._client.basket(basket)
        order = ordering.new_order(account, instrument, side, quantity, price, **more)
        return await self._client.ask(order)

    async def new_block(
        self,
        account: int,
        instrument: int,
        hours: int,
        side: Side,
        quantity: int,
        price: int,
        *,
        basket: int | str = 0,
        **more: Any,
    ) -> Report:
        """Place a block from its first hour on; the options are those of `ordering.new_block`."""
        more["basket"] = await self._client.basket(basket)
        block = ordering.new_block(account, instrument, hours, side, quantity, price, **more)
        return await self._client.ask(block)

    async def replace(self, target_ref: int, quantity: int, price: int = 0, **more: Any) -> Report:
        """Change an order."""
        return await self._client.ask(ordering.replace_order(target_ref, quantity, price, **more))

    async def cancel(self, target_ref: int) -> Report:
        """Cancel an order."""
        return await self._client.ask(ordering.cancel_order(target_ref))

    async def cancel_all(self, account: int = 0, instrument: int = 0) -> Report:
        """Cancel all orders of the session, or of one account or instrument."""
        return await self._client.ask(ordering.cancel_all(account, instrument))

    async def status(self, user_ref: int) -> Report:
        """The last report of an order."""
        self._client.say(OrderStatusRequest(user_ref=user_ref))
        return await self._client.wait_for(self._client._status)


class AsyncClient(Broker):
    """A session and its market data, for programs with an event loop."""

    timeout_s = TIMEOUT_S

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.orders = AsyncOrders(self)

    async def ask(self, commands: Records) -> Report:
        """Send one command and await its answer."""
        ref = self._send_awaited(commands)
        return await self.wait_for(lambda: self._answer_of(ref))

    async def request(self, message: Message) -> Reply:
        """Send a request to the venue and await its reply."""
        self.say(message)
        return cast(Reply, await self.wait_for(self._reply))

    async def notices(self, day: str) -> list[NoticeLine]:
        """What the session's accounts are to deliver on a day, YYYY-MM-DD."""
        found: list[NoticeLine] = []
        while True:
            part = await self.request(NoticesRequest(day=day, after=len(found)))
            assert isinstance(part, Notices)
            found += part.lines
            if len(found) >= part.count:
                return found

    async def meter(self, readings: Sequence[MeterReading]) -> list[MeterAnswer]:
        """Say what was delivered; an answer for each reading. Repeating it is harmless."""
        answers: list[MeterAnswer] = []
        for start in range(0, len(readings), READINGS_MAX):
            part = list(readings[start : start + READINGS_MAX])
            found = await self.request(MeterReadings(readings=part))
            assert isinstance(found, MeterAnswers)
            answers += found.answers
        return answers

    async def reports(self, timeout_s: float | None = None) -> AsyncIterator[Report]:
        """Reports as they come; ends when none came for so long (None: never ends)."""
        while True:
            self._sort()
            while self._inbox:
                yield self._inbox.popleft()
            try:
                await self.wait_for(lambda: bool(self.dialogue.reports) or None, timeout_s)
            except TimedOut:
                return

    async def instrument(self, symbol: int | str) -> int:
        """The number of a symbol. Raises KeyError where there is no such instrument."""
        market = self.market
        await self.wait_for(lambda: market.defined or None)
        for number, each in market.definitions.items():
            if symbol in (number, each.symbol):
                return number
        raise KeyError(f"there is no instrument {symbol}")

    async def basket(self, code: int | str) -> int:
        """The number of a basket; numbers pass. Raises KeyError where there is no such basket."""
        if isinstance(code, int):
            return code
        market = self.market
        await self.wait_for(lambda: market.defined or None)
        if code not in market.baskets:
            raise KeyError(f"there is no basket {code}")
        return market.baskets[code]

    async def book(self, instrument: int | str) -> Book:
        """The book of an instrument, whole; kept up to date by whatever is awaited."""
        book = self.market.book(await self.instrument(instrument))
        await self.wait_for(lambda: book.is_whole or None)
        return book

    async def orders_book(self, instrument: int | str) -> OrdersBook:
        """The orders of an instrument, whole and without names; kept up to date likewise."""
        book = self.market.orders_book(await self.instrument(instrument))
        await self.wait_for(lambda: book.is_whole or None)
        return book

    async def blocks(self, where: int | str) -> Blocks:
        """The standing blocks of a contract, or those that begin with an instrument, whole.

        Kept up to date likewise. KeyError where there is neither.
        """
        await self.wait_for(lambda: self.market.defined or None)
        blocks = self.market.blocks(where)
        await self.wait_for(lambda: blocks.is_whole or None)
        return blocks

    async def trades(
        self, instrument: int | str | None = None, timeout_s: float | None = None
    ) -> AsyncIterator[Trade]:
        """Trades as they come; ends when none came for so long (None: never ends)."""
        number = None if instrument is None else await self.instrument(instrument)
        self.market.follow(Channel.TRADES, number)
        queue = self.market.trades
        while True:
            while queue:
                yield queue.popleft()
            try:
                await self.wait_for(lambda: bool(queue) or None, timeout_s)
            except TimedOut:
                return

    async def wait_for(self, found: Callable[[], T | None], timeout_s: float | None = -1.0) -> T:
        """Pump until `found` gives something. Raises TimedOut, and what ends the session."""
        if timeout_s is not None and timeout_s < 0:
            timeout_s = self.timeout_s
        end_s = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            self.take()
            value = found()
            if value is not None:
                return value
            self.check()
            left_s = _TURN_S if end_s is None else end_s - time.monotonic()
            if left_s <= 0:
                raise TimedOut(f"{self.connection.venue}: no answer in {timeout_s:g} s")
            await self._changed(min(left_s, _TURN_S))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        self.close()

    async def _changed(self, timeout_s: float) -> None:
        """Wait until a socket has news."""
        loop = asyncio.get_running_loop()
        news: asyncio.Future[None] = loop.create_future()
        sockets = [self.link.socket, self.link.monitor]
        if self._market is not None:
            sockets += [self._market.socket, self._market.recovery]
        descriptors = [int(socket.getsockopt(zmq.FD)) for socket in sockets]
        for descriptor in descriptors:
            loop.add_reader(descriptor, _set, news)
        try:
            if any(int(socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN for socket in sockets):
                return
            await asyncio.wait_for(asyncio.shield(news), timeout_s)
        except TimeoutError:
            return
        finally:
            for descriptor in descriptors:
                loop.remove_reader(descriptor)
            news.cancel()


def _set(news: "asyncio.Future[None]") -> None:
    if not news.done():
        news.set_result(None)
