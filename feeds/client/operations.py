"""Operations of a client, each written once for the synchronous and the asynchronous client.

An operation is a generator. It yields every condition that it must wait for, and is resumed with
the condition's value; what it returns is the result. `Client` polls the sockets until a condition
holds, `AsyncClient` awaits it. A condition is a function that returns None as long as it does not
hold.
"""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeAlias, TypeVar, Unpack

from feeds.client.awaited_answers import Answer
from feeds.client.base_client import BaseClient, Records
from feeds.client.block_book import CombinedBlockBook
from feeds.client.level_book import LevelBook
from feeds.client.order_book import OrderBook
from feeds.client.trade_tape import Trade
from feeds.protocol import commands
from feeds.protocol.commands import BlockOptions, OrderOptions
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
from feeds.protocol.errors import OrderRejected
from feeds.protocol.execution_reports import Report
from feeds.protocol.messages import Message, OrderStatusRequest, Reply
from feeds.protocol.records import Channel
from matching.records import CommandKind, MassCancelScope, Side

T = TypeVar("T")
Condition: TypeAlias = Callable[[], object | None]
Operation: TypeAlias = Generator[Condition, Any, T]


def until(found: Callable[[], T | None]) -> Operation[T]:
    """Wait until `found` returns a value; returns the value."""
    value: T = yield found
    return value


def log_on(client: BaseClient) -> Operation[bool]:
    """Wait until the session is open."""
    return (yield from until(lambda: client.is_connected or None))


def ask(client: BaseClient, records: Records) -> Operation[Report]:
    """Send one command and wait for its answer. Raises OrderRejected and FrameRefused."""
    answer = client.answers.add_command(client.send(records))

    def found() -> Report | None:
        client.dispatch_reports()
        client.dispatch_replies()
        return answer.get()

    return (yield from until(found))


def ask_each(client: BaseClient, records: Records) -> Operation[list[Report]]:
    """Send an operator's commands of one kind, and wait until all are carried out.

    Returns the answers, rejections included; a command for a later time has none if it is accepted.
    So a mass cancel of the session follows, which is always answered, after all others. Raises
    FrameRefused where the venue did not take a frame.
    """
    assert client.session.ack is not None, "logged on"
    first = client.send(records)
    refs = range(first, first + len(records))
    answers = [client.answers.add_command(ref) for ref in refs]
    own = client.session.ack.session
    last = commands.command(CommandKind.MASS_CANCEL, type=MassCancelScope.SESSION, target_ref=own)
    yield from ask(client, last)
    client.session.forget(refs)
    return [report for answer in answers if (report := _report_of(answer)) is not None]


def _report_of(answer: Answer[Report]) -> Report | None:
    """The answer to a command, also where it is a rejection; None where there is none."""
    try:
        return answer.get()
    except OrderRejected as rejected:
        return rejected.report


def request(client: BaseClient, message: Message) -> Operation[Reply]:
    """Send a session message and wait for its reply. Raises FrameRefused."""
    client.send_message(message)
    answer = client.answers.add_request(message, client.session.logons)
    return (yield from _replied(client, answer))


def order_status(client: BaseClient, user_ref: int) -> Operation[Report]:
    """Request the last report of an order and wait for it. Raises FrameRefused."""
    message = OrderStatusRequest(user_ref=user_ref)
    client.send_message(message)
    answer = client.answers.add_status(message, client.session.logons)
    return (yield from _replied(client, answer))


def new_order(
    client: BaseClient,
    account: int,
    instrument: int,
    side: Side,
    quantity: int,
    price: int,
    basket: int | str,
    **options: Unpack[OrderOptions],
) -> Operation[Report]:
    """Place an order and wait for its acceptance."""
    number = yield from basket_number(client, basket)
    order = commands.new_order(account, instrument, side, quantity, price, basket=number, **options)
    return (yield from ask(client, order))


def new_block(
    client: BaseClient,
    account: int,
    instrument: int,
    hours: int,
    side: Side,
    quantity: int,
    price: int,
    basket: int | str,
    **options: Unpack[BlockOptions],
) -> Operation[Report]:
    """Place a block and wait for its acceptance."""
    number = yield from basket_number(client, basket)
    block = commands.new_block(
        account, instrument, hours, side, quantity, price, basket=number, **options
    )
    return (yield from ask(client, block))


def notices(client: BaseClient, day: str) -> Operation[list[NoticeLine]]:
    """Request all parts of a day's dispatch notices."""
    lines: list[NoticeLine] = []
    while True:
        part = yield from request(client, NoticesRequest(day=day, after=len(lines)))
        assert isinstance(part, Notices)
        lines += part.lines
        if len(lines) >= part.count:
            return lines


def meter(client: BaseClient, readings: Sequence[MeterReading]) -> Operation[list[MeterAnswer]]:
    """Send meter readings in messages of `READINGS_MAX`, one after the other."""
    answers: list[MeterAnswer] = []
    for start in range(0, len(readings), READINGS_MAX):
        part = list(readings[start : start + READINGS_MAX])
        reply = yield from request(client, MeterReadings(readings=part))
        assert isinstance(reply, MeterAnswers)
        answers += reply.answers
    return answers


def definitions(client: BaseClient) -> Operation[bool]:
    """Wait until all instruments are defined."""
    market = client.market
    return (yield from until(lambda: market.has_definitions or None))


def instrument_number(client: BaseClient, symbol: int | str) -> Operation[int]:
    """The number of an instrument, by symbol or number. Raises KeyError if there is none."""
    yield from definitions(client)
    for number, each in client.market.definitions.items():
        if symbol in (number, each.symbol):
            return number
    raise KeyError(f"there is no instrument {symbol}")


def basket_number(client: BaseClient, code: int | str) -> Operation[int]:
    """The number of a basket by its code; a number is returned as it is. Raises KeyError."""
    if isinstance(code, int):
        return code
    yield from definitions(client)
    if code not in client.market.baskets:
        raise KeyError(f"there is no basket {code}")
    return client.market.baskets[code]


def level_book(client: BaseClient, instrument: int | str) -> Operation[LevelBook]:
    """Follow an instrument's levels, and wait until they are complete."""
    number = yield from instrument_number(client, instrument)
    book = client.market.book(number)
    yield from until(lambda: book.is_complete or None)
    return book


def order_book(client: BaseClient, instrument: int | str) -> Operation[OrderBook]:
    """Follow an instrument's orders, and wait until they are complete."""
    number = yield from instrument_number(client, instrument)
    book = client.market.orders_book(number)
    yield from until(lambda: book.is_complete or None)
    return book


def block_book(client: BaseClient, where: int | str) -> Operation[CombinedBlockBook]:
    """Follow standing blocks, of a contract or of a first hour, and wait until complete."""
    yield from definitions(client)
    book = client.market.blocks(where)
    yield from until(lambda: book.is_complete or None)
    return book


def follow_trades(client: BaseClient, instrument: int | str | None) -> Operation[deque[Trade]]:
    """Follow the trades of one instrument or of all; returns the queue that they come to."""
    number: int | None = None
    if instrument is not None:
        number = yield from instrument_number(client, instrument)
    client.market.follow(Channel.TRADES, number)
    return client.market.trades


def _replied(client: BaseClient, answer: Answer[T]) -> Operation[T]:
    """Wait for an answer that is no report; reports stay where they are."""

    def found() -> T | None:
        client.dispatch_replies()
        return answer.get()

    return (yield from until(found))
