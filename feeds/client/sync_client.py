"""The synchronous client: a broker's program calls it, and it waits.

    with connect("venue/connection.toml", "venue/keys/east-1.secret") as client:
        order = client.orders.new(account=1, instrument=7, side=Side.BUY, quantity=5, price=1130)
        client.orders.cancel(order.cl_ord_id)

It works only while one of its methods runs: between them nothing is read. The venue keeps what it
has to say, up to a bound. With `cancel_on_disconnect` a program calls one of them (`pump` is
enough) more often than every `silence_ms_max`, or the venue takes it for gone.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn, Self, TypeVar, cast

import zmq

from feeds.client.base_client import Broker, Records
from feeds.client.block_book import Blocks
from feeds.client.connection_file import Connection
from feeds.client.level_book import Book
from feeds.client.order_book import OrdersBook
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
TIMEOUT_S = 10.0


def connect(
    connection: Connection | str | Path,
    key: Secret | str | Path,
    *,
    timeout_s: float = TIMEOUT_S,
    **options: Any,
) -> "Client":
    """A client that is logged on; the options are those of Broker.

    Raises NotAllowed for a key that the venue does not know, LogonRefused with its reason, and
    TimedOut where no venue answers.
    """
    client = Client(connection, key, **options)
    client.timeout_s = timeout_s
    try:
        client.wait_for(lambda: client.is_connected or None)
    except BaseException:
        client.close()
        raise
    return client


class Orders:
    """New orders, and what becomes of them; each call waits for the venue's answer."""

    def __init__(self, client: "Client") -> None:
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
        **more: Any,
    ) -> Report:
        """Place an order; the options are those of `ordering.new_order`, a basket by code too.

        Returns its acceptance. Raises OrderRejected, FrameRefused, NotConnected or TimedOut.
        """
        more["basket"] = self._client.basket(basket)
        order = ordering.new_order(account, instrument, side, quantity, price, **more)
        return self._client.ask(order)

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
        **more: Any,
    ) -> Report:
        """Place a block from its first hour on; the options are those of `ordering.new_block`."""
        more["basket"] = self._client.basket(basket)
        block = ordering.new_block(account, instrument, hours, side, quantity, price, **more)
        return self._client.ask(block)

    def replace(self, target_ref: int, quantity: int, price: int = 0, **more: Any) -> Report:
        """Change an order; the options are those of `ordering.replace_order`."""
        return self._client.ask(ordering.replace_order(target_ref, quantity, price, **more))

    def cancel(self, target_ref: int) -> Report:
        """Cancel an order."""
        return self._client.ask(ordering.cancel_order(target_ref))

    def cancel_all(self, account: int = 0, instrument: int = 0) -> Report:
        """Cancel all orders of the session, or of one account or instrument."""
        return self._client.ask(ordering.cancel_all(account, instrument))

    def status(self, user_ref: int) -> Report:
        """The last report of an order. Raises FrameRefused where there is none."""
        self._client.say(OrderStatusRequest(user_ref=user_ref))
        return self._client.wait_for(self._client._status)


class Client(Broker):
    """A session and its market data, for programs that wait."""

    timeout_s = TIMEOUT_S

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.orders = Orders(self)

    def ask(self, commands: Records) -> Report:
        """Send one command and wait for its answer."""
        ref = self._send_awaited(commands)
        return self.wait_for(lambda: self._answer_of(ref))

    def request(self, message: Message) -> Reply:
        """Send a request to the venue and wait for its reply."""
        self.say(message)
        return cast(Reply, self.wait_for(self._reply))

    def notices(self, day: str) -> list[NoticeLine]:
        """What the session's accounts are to deliver on a day, YYYY-MM-DD."""
        found: list[NoticeLine] = []
        while True:
            part = self.request(NoticesRequest(day=day, after=len(found)))
            assert isinstance(part, Notices)
            found += part.lines
            if len(found) >= part.count:
                return found

    def meter(self, readings: Sequence[MeterReading]) -> list[MeterAnswer]:
        """Say what was delivered; an answer for each reading. Repeating it is harmless."""
        answers: list[MeterAnswer] = []
        for start in range(0, len(readings), READINGS_MAX):
            part = list(readings[start : start + READINGS_MAX])
            found = self.request(MeterReadings(readings=part))
            assert isinstance(found, MeterAnswers)
            answers += found.answers
        return answers

    def reports(self, timeout_s: float | None = None) -> Iterator[Report]:
        """Reports as they come; ends when none came for so long (None: never ends)."""
        while True:
            self._sort()
            while self._inbox:
                yield self._inbox.popleft()
            try:
                self.wait_for(self._any_report, timeout_s)
            except TimedOut:
                return

    def instrument(self, symbol: int | str) -> int:
        """The number of a symbol. Raises KeyError where there is no such instrument."""
        market = self.market
        self.wait_for(lambda: market.defined or None)
        if isinstance(symbol, int):
            return market.definitions[symbol].instrument
        return next((n for n, d in market.definitions.items() if d.symbol == symbol), 0) or _no(
            symbol
        )

    def basket(self, code: int | str) -> int:
        """The number of a basket; numbers pass. Raises KeyError where there is no such basket."""
        if isinstance(code, int):
            return code
        market = self.market
        self.wait_for(lambda: market.defined or None)
        if code not in market.baskets:
            raise KeyError(f"there is no basket {code}")
        return market.baskets[code]

    def book(self, instrument: int | str) -> Book:
        """The book of an instrument, whole; kept up to date by whatever pumps."""
        book = self.market.book(self.instrument(instrument))
        self.wait_for(lambda: book.is_whole or None)
        return book

    def orders_book(self, instrument: int | str) -> OrdersBook:
        """The orders of an instrument, whole and without names; kept up to date likewise."""
        book = self.market.orders_book(self.instrument(instrument))
        self.wait_for(lambda: book.is_whole or None)
        return book

    def blocks(self, where: int | str) -> Blocks:
        """The standing blocks of a contract, or those that begin with an instrument, whole.

        Kept up to date likewise. KeyError where there is neither.
        """
        self.wait_for(lambda: self.market.defined or None)
        blocks = self.market.blocks(where)
        self.wait_for(lambda: blocks.is_whole or None)
        return blocks

    def trades(
        self, instrument: int | str | None = None, timeout_s: float | None = None
    ) -> Iterator[Trade]:
        """Trades as they come; ends when none came for so long (None: never ends)."""
        number = None if instrument is None else self.instrument(instrument)
        self.market.follow(Channel.TRADES, number)
        queue = self.market.trades
        while True:
            while queue:
                yield queue.popleft()
            try:
                self.wait_for(lambda: bool(queue) or None, timeout_s)
            except TimedOut:
                return

    def pump(self, timeout_s: float = 0) -> bool:
        """Take in what has come, waiting at most so long for anything; whether anything came."""
        if self.take():
            return True
        self.check()
        if timeout_s > 0:
            self._poll(timeout_s)
            took = self.take()
            self.check()
            return took
        return False

    def wait_for(self, found: Callable[[], T | None], timeout_s: float | None = -1.0) -> T:
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
            left_s = 1.0 if end_s is None else end_s - time.monotonic()
            if left_s <= 0:
                raise TimedOut(f"{self.connection.venue}: no answer in {timeout_s:g} s")
            self._poll(min(left_s, 1.0))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _any_report(self) -> bool | None:
        return bool(self.dialogue.reports) or None

    def _poll(self, timeout_s: float) -> None:
        poller = zmq.Poller()
        for socket in self._sockets():
            poller.register(socket, zmq.POLLIN)
        poller.poll(max(1, int(timeout_s * 1_000)))

    def _sockets(self) -> list["zmq.Socket[bytes]"]:
        own = [self.link.socket, self.link.monitor]
        market = self._market
        return own if market is None else [*own, market.socket, market.recovery]


def _no(symbol: str) -> NoReturn:
    raise KeyError(f"there is no instrument {symbol}")
