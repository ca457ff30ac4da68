"""Asynchronous client: the methods of `feeds.client.sync_client`, awaited.

    async with await connect_async("venue/connection.toml", "venue/keys/east-1.secret") as client:
        order = await client.orders.new(
            account=1, instrument=7, side=Side.BUY, quantity=5, price=1130
        )
        async for report in client.reports():
            ...

The client reads and sends only while the program awaits something of it. A program with
`cancel_on_disconnect` must do that more often than every `silence_ms_max`; otherwise the venue ends
the session.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Self, TypeVar, Unpack

import zmq

from feeds.client import operations
from feeds.client.base_client import TIMEOUT_S, BaseClient, ClientOptions, Records, Wait
from feeds.client.block_book import CombinedBlockBook
from feeds.client.connection_file import Connection
from feeds.client.level_book import LevelBook
from feeds.client.operations import Operation
from feeds.client.order_book import OrderBook
from feeds.client.trade_tape import Trade
from feeds.protocol import commands
from feeds.protocol.commands import BlockOptions, OrderOptions, QuoteOptions, ReplaceOptions
from feeds.protocol.delivery_messages import MeterAnswer, MeterReading, NoticeLine
from feeds.protocol.errors import TimedOut
from feeds.protocol.execution_reports import Report
from feeds.protocol.keys import Secret
from feeds.protocol.messages import Definition, Message, Reply
from matching.records import Side

T = TypeVar("T")
_POLL_S_MAX = 0.05
"""Longest wait for a descriptor. libzmq's descriptors signal changes only, so one may be missed."""


async def connect_async(
    connection: Connection | str | Path,
    key: Secret | str | Path,
    *,
    timeout_s: float = TIMEOUT_S,
    **options: Unpack[ClientOptions],
) -> "AsyncClient":
    """A client that is logged on; arguments and errors as in `feeds.client.sync_client.connect`."""
    client = AsyncClient(connection, key, **options)
    client.timeout_s = timeout_s
    try:
        await client.run(operations.log_on(client))
    except BaseException:
        client.close()
        raise
    return client


class AsyncClient(BaseClient):
    """A session and its market data, for programs with an event loop."""

    @cached_property
    def orders(self) -> "AsyncOrders":
        """Order entry."""
        return AsyncOrders(self)

    async def ask(self, records: Records) -> Report:
        """Send one command and await its answer."""
        return await self.run(operations.ask(self, records))

    async def ask_each(self, records: Records) -> list[Report]:
        """Send an operator's commands of one kind; returns their answers, rejections included,
        when all are carried out."""
        return await self.run(operations.ask_each(self, records))

    async def request(self, message: Message) -> Reply:
        """Send a request to the venue and await its reply."""
        return await self.run(operations.request(self, message))

    async def notices(self, day: str) -> list[NoticeLine]:
        """The lines that the session's accounts are to deliver on a day, YYYY-MM-DD."""
        return await self.run(operations.notices(self, day))

    async def meter(self, readings: Sequence[MeterReading]) -> list[MeterAnswer]:
        """Send meter readings; returns an answer for each. Sending them again is harmless."""
        return await self.run(operations.meter(self, readings))

    def reports(self, timeout_s: float | None = None) -> AsyncIterator[Report]:
        """Reports as they come; ends when none came for `timeout_s` (None: never ends)."""
        return self._stream(self.next_unread, timeout_s)

    async def definitions(self) -> dict[int, Definition]:
        """The definitions of all instruments, by number."""
        await self.run(operations.definitions(self))
        return self.market.definitions

    async def instrument(self, symbol: int | str) -> int:
        """The number of an instrument. Raises KeyError if there is none of this symbol."""
        return await self.run(operations.instrument_number(self, symbol))

    async def basket(self, code: int | str) -> int:
        """The number of a basket; a number is returned as it is. Raises KeyError."""
        return await self.run(operations.basket_number(self, code))

    async def book(self, instrument: int | str) -> LevelBook:
        """The complete levels of an instrument. Whatever is awaited later updates them."""
        return await self.run(operations.level_book(self, instrument))

    async def orders_book(self, instrument: int | str) -> OrderBook:
        """The complete orders of an instrument, without owners; updated in the same way."""
        return await self.run(operations.order_book(self, instrument))

    async def blocks(self, where: int | str) -> CombinedBlockBook:
        """The standing blocks of a contract, or those that begin with an instrument.

        They are updated in the same way. Raises KeyError if there is neither.
        """
        return await self.run(operations.block_book(self, where))

    async def trades(
        self, instrument: int | str | None = None, timeout_s: float | None = None
    ) -> AsyncIterator[Trade]:
        """Trades as they come; ends when none came for `timeout_s` (None: never ends)."""
        queue = await self.run(operations.follow_trades(self, instrument))
        async for trade in self._stream(lambda: queue.popleft() if queue else None, timeout_s):
            yield trade

    async def wait_for(self, found: Callable[[], T | None], timeout_s: float | None = -1.0) -> T:
        """Pump the sockets until `found` returns a value; returns the value.

        `timeout_s`: None waits without end, a negative number as long as the client's own
        `timeout_s`. Raises TimedOut, and the error that ends the session.
        """
        wait = Wait(self, timeout_s)
        while (value := self.attempt(found)) is None:
            await self._poll(wait.step_s(_POLL_S_MAX))
        return value

    async def run(self, operation: Operation[T]) -> T:
        """Carry out an operation; each of its conditions may take the client's `timeout_s`."""
        try:
            condition = next(operation)
            while True:
                condition = operation.send(await self.wait_for(condition))
        except StopIteration as done:
            result: T = done.value
            return result
        finally:
            operation.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        self.close()

    async def _stream(
        self, read: Callable[[], T | None], timeout_s: float | None
    ) -> AsyncIterator[T]:
        """Yield what `read` returns, until it has returned None for `timeout_s`."""
        while True:
            value = read()
            if value is None:
                try:
                    value = await self.wait_for(read, timeout_s)
                except TimedOut:
                    return
            yield value

    async def _poll(self, timeout_s: float) -> None:
        """Wait until a socket has input, at most `timeout_s`."""
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        sockets = self.sockets()
        descriptors = [int(socket.getsockopt(zmq.FD)) for socket in sockets]
        for descriptor in descriptors:
            loop.add_reader(descriptor, _set, ready)
        try:
            if any(int(socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN for socket in sockets):
                return
            await asyncio.wait_for(asyncio.shield(ready), timeout_s)
        except TimeoutError:
            return
        finally:
            for descriptor in descriptors:
                loop.remove_reader(descriptor)
            ready.cancel()


class AsyncOrders:
    """Order entry of a client; each call awaits the venue's answer.

    Each raises OrderRejected, FrameRefused, NotConnected or TimedOut.
    """

    def __init__(self, client: AsyncClient) -> None:
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
        **options: Unpack[OrderOptions],
    ) -> Report:
        """Place an order; returns its acceptance. Options as in `sync_client.Orders.new`."""
        return await self._client.run(
            operations.new_order(
                self._client, account, instrument, side, quantity, price, basket, **options
            )
        )

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
        **options: Unpack[BlockOptions],
    ) -> Report:
        """Place a block; returns its acceptance. Options as in `sync_client.Orders.new_block`."""
        return await self._client.run(
            operations.new_block(
                self._client, account, instrument, hours, side, quantity, price, basket, **options
            )
        )

    async def replace(
        self, target_ref: int, quantity: int, price: int = 0, **options: Unpack[ReplaceOptions]
    ) -> Report:
        """Change an order; the options are those of `feeds.protocol.commands.replace_order`."""
        command = commands.replace_order(target_ref, quantity, price, **options)
        return await self._client.ask(command)

    async def quote(
        self,
        account: int,
        instrument: int,
        name: int,
        bid: tuple[int, int] = (0, 0),
        ask: tuple[int, int] = (0, 0),
        **options: Unpack[QuoteOptions],
    ) -> Report:
        """Set bid and ask as one, as `sync_client.Orders.quote` does."""
        record = commands.quote(account, instrument, name, bid, ask, **options)
        return await self._client.ask(record)

    async def protect(
        self,
        account: int,
        *,
        lots: int = 0,
        fills: int = 0,
        notional_fen: int = 0,
        seconds: int = 0,
    ) -> Report:
        """Bound what an account's quotes may trade, as `sync_client.Orders.protect` does."""
        return await self._client.ask(
            commands.protect(
                account, lots=lots, fills=fills, notional_fen=notional_fen, seconds=seconds
            )
        )

    async def cancel(self, target_ref: int) -> Report:
        """Cancel an order."""
        return await self._client.ask(commands.cancel_order(target_ref))

    async def cancel_all(self, account: int = 0, instrument: int = 0) -> Report:
        """Cancel all orders of the session, or of one account or instrument."""
        return await self._client.ask(commands.cancel_all(account, instrument))

    async def status(self, user_ref: int) -> Report:
        """The last report of an order. Raises FrameRefused if there is none."""
        return await self._client.run(operations.order_status(self._client, user_ref))


def _set(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)
