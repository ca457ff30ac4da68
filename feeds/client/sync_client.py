"""Synchronous client: every method waits until it has its result.

    with connect("venue/connection.toml", "venue/keys/east-1.secret") as client:
        order = client.orders.new(account=1, instrument=7, side=Side.BUY, quantity=5, price=1130)
        client.orders.cancel(order.cl_ord_id)

The client works only while one of its methods runs: between the calls it reads and sends nothing.
The venue keeps its reports meanwhile, up to a bound. A program with `cancel_on_disconnect` must
call a method (`pump` is enough) more often than every `silence_ms_max`; otherwise the venue ends
the session.
"""

from collections.abc import Callable, Iterator, Sequence
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
_POLL_S_MAX = 1.0
"""Longest time in one poll: heartbeats are due meanwhile."""


def connect(
    connection: Connection | str | Path,
    key: Secret | str | Path,
    *,
    timeout_s: float = TIMEOUT_S,
    **options: Unpack[ClientOptions],
) -> "Client":
    """A client that is logged on; the options are those of `BaseClient`.

    Raises NotAllowed for a key that the venue does not know, LogonRefused with its reason, and
    TimedOut if no venue answers.
    """
    client = Client(connection, key, **options)
    client.timeout_s = timeout_s
    try:
        client.run(operations.log_on(client))
    except BaseException:
        client.close()
        raise
    return client


class Client(BaseClient):
    """A session and its market data, for programs that wait."""

    @cached_property
    def orders(self) -> "Orders":
        """Order entry."""
        return Orders(self)

    def ask(self, records: Records) -> Report:
        """Send one command and wait for its answer."""
        return self.run(operations.ask(self, records))

    def ask_each(self, records: Records) -> list[Report]:
        """Send an operator's commands of one kind; returns their answers, rejections included,
        when all are carried out."""
        return self.run(operations.ask_each(self, records))

    def request(self, message: Message) -> Reply:
        """Send a request to the venue and wait for its reply."""
        return self.run(operations.request(self, message))

    def notices(self, day: str) -> list[NoticeLine]:
        """The lines that the session's accounts are to deliver on a day, YYYY-MM-DD."""
        return self.run(operations.notices(self, day))

    def meter(self, readings: Sequence[MeterReading]) -> list[MeterAnswer]:
        """Send meter readings; returns an answer for each. Sending them again is harmless."""
        return self.run(operations.meter(self, readings))

    def reports(self, timeout_s: float | None = None) -> Iterator[Report]:
        """Reports as they come; ends when none came for `timeout_s` (None: never ends)."""
        return self._stream(self.next_unread, timeout_s)

    def definitions(self) -> dict[int, Definition]:
        """The definitions of all instruments, by number."""
        self.run(operations.definitions(self))
        return self.market.definitions

    def instrument(self, symbol: int | str) -> int:
        """The number of an instrument. Raises KeyError if there is none of this symbol."""
        return self.run(operations.instrument_number(self, symbol))

    def basket(self, code: int | str) -> int:
        """The number of a basket; a number is returned as it is. Raises KeyError."""
        return self.run(operations.basket_number(self, code))

    def book(self, instrument: int | str) -> LevelBook:
        """The complete levels of an instrument. Every later wait of the client updates them."""
        return self.run(operations.level_book(self, instrument))

    def orders_book(self, instrument: int | str) -> OrderBook:
        """The complete orders of an instrument, without owners; updated in the same way."""
        return self.run(operations.order_book(self, instrument))

    def blocks(self, where: int | str) -> CombinedBlockBook:
        """The standing blocks of a contract, or those that begin with an instrument.

        They are updated in the same way. Raises KeyError if there is neither.
        """
        return self.run(operations.block_book(self, where))

    def trades(
        self, instrument: int | str | None = None, timeout_s: float | None = None
    ) -> Iterator[Trade]:
        """Trades as they come; ends when none came for `timeout_s` (None: never ends)."""
        queue = self.run(operations.follow_trades(self, instrument))
        yield from self._stream(lambda: queue.popleft() if queue else None, timeout_s)

    def pump(self, timeout_s: float = 0) -> bool:
        """Receive what has come, waiting at most `timeout_s` for it; whether anything came."""
        if self.pump_sockets():
            return True
        self.check()
        if timeout_s > 0:
            self._poll(timeout_s)
            received = self.pump_sockets()
            self.check()
            return received
        return False

    def wait_for(self, found: Callable[[], T | None], timeout_s: float | None = -1.0) -> T:
        """Pump the sockets until `found` returns a value; returns the value.

        `timeout_s`: None waits without end, a negative number as long as the client's own
        `timeout_s`. Raises TimedOut, and the error that ends the session.
        """
        wait = Wait(self, timeout_s)
        while (value := self.attempt(found)) is None:
            self._poll(wait.step_s(_POLL_S_MAX))
        return value

    def run(self, operation: Operation[T]) -> T:
        """Carry out an operation; each of its conditions may take the client's `timeout_s`."""
        try:
            condition = next(operation)
            while True:
                condition = operation.send(self.wait_for(condition))
        except StopIteration as done:
            result: T = done.value
            return result
        finally:
            operation.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _stream(self, read: Callable[[], T | None], timeout_s: float | None) -> Iterator[T]:
        """Yield what `read` returns, until it has returned None for `timeout_s`."""
        while True:
            value = read()
            if value is None:
                try:
                    value = self.wait_for(read, timeout_s)
                except TimedOut:
                    return
            yield value

    def _poll(self, timeout_s: float) -> None:
        poller = zmq.Poller()
        for socket in self.sockets():
            poller.register(socket, zmq.POLLIN)
        poller.poll(max(1, int(timeout_s * 1_000)))


class Orders:
    """Order entry of a client; each call waits for the venue's answer.

    Each raises OrderRejected, FrameRefused, NotConnected or TimedOut.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def new(
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
        """Place an order; returns its acceptance.

        The options are those of `feeds.protocol.commands.new_order`; a basket may also be given by
        its code.
        """
        return self._client.run(
            operations.new_order(
                self._client, account, instrument, side, quantity, price, basket, **options
            )
        )

    def new_block(
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
        """Place a block that begins with `instrument`; returns its acceptance.

        The options are those of `feeds.protocol.commands.new_block`; a basket may also be given by
        its code.
        """
        return self._client.run(
            operations.new_block(
                self._client, account, instrument, hours, side, quantity, price, basket, **options
            )
        )

    def replace(
        self, target_ref: int, quantity: int, price: int = 0, **options: Unpack[ReplaceOptions]
    ) -> Report:
        """Change an order; the options are those of `feeds.protocol.commands.replace_order`."""
        return self._client.ask(commands.replace_order(target_ref, quantity, price, **options))

    def quote(
        self,
        account: int,
        instrument: int,
        name: int,
        bid: tuple[int, int] = (0, 0),
        ask: tuple[int, int] = (0, 0),
        **options: Unpack[QuoteOptions],
    ) -> Report:
        """Set bid and ask as one; returns the first of its reports. The arguments are those of
        `feeds.protocol.commands.quote`."""
        record = commands.quote(account, instrument, name, bid, ask, **options)
        return self._client.ask(record)

    def protect(
        self,
        account: int,
        *,
        lots: int = 0,
        fills: int = 0,
        notional_fen: int = 0,
        seconds: int = 0,
    ) -> Report:
        """Bound what an account's quotes may trade, as `feeds.protocol.commands.protect` says."""
        return self._client.ask(
            commands.protect(
                account, lots=lots, fills=fills, notional_fen=notional_fen, seconds=seconds
            )
        )

    def cancel(self, target_ref: int) -> Report:
        """Cancel an order."""
        return self._client.ask(commands.cancel_order(target_ref))

    def cancel_all(self, account: int = 0, instrument: int = 0) -> Report:
        """Cancel all orders of the session, or of one account or instrument."""
        return self._client.ask(commands.cancel_all(account, instrument))

    def status(self, user_ref: int) -> Report:
        """The last report of an order. Raises FrameRefused if there is none."""
        return self._client.run(operations.order_status(self._client, user_ref))
