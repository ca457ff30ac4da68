"""Awaited answers: matches what the venue sends to the commands and questions that it answers.

A command is answered by a report or a refusal that names its user_ref. A session message (a
question) has no number. Its answer is found by type and content; the venue answers questions of one
type in their order.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from feeds.client.order_session import refused_refs
from feeds.protocol.delivery_messages import MeterAnswers, MeterReadings, Notices, NoticesRequest
from feeds.protocol.errors import FrameRefused, OrderRejected, WireError
from feeds.protocol.execution_reports import Report
from feeds.protocol.messages import (
    BustTrade,
    CloseDay,
    DayClosed,
    Done,
    FirmAccounts,
    FirmAccountsRequest,
    KeysKnown,
    KeysRequest,
    KillSwitch,
    ListBasket,
    ListInstrument,
    Message,
    OrderStatusRequest,
    Refusal,
    Reply,
    TradeBusted,
    VenueStatus,
    VenueStatusRequest,
)
from matching.records import EventKind

T = TypeVar("T")
_REPLY_TYPES: dict[type[Message], type[Reply]] = {
    ListInstrument: Done,
    ListBasket: Done,
    KillSwitch: Done,
    BustTrade: TradeBusted,
    FirmAccountsRequest: FirmAccounts,
    KeysRequest: KeysKnown,
    CloseDay: DayClosed,
    VenueStatusRequest: VenueStatus,
    NoticesRequest: Notices,
    MeterReadings: MeterAnswers,
}


class Answer(Generic[T]):
    """The answer to one command or question, once it has come."""

    def __init__(self) -> None:
        self.value: T | None = None
        self.error: WireError | None = None

    def get(self) -> T | None:
        """The answer, or None if it has not come. Raises the refusal if that is the answer."""
        if self.error is not None:
            raise self.error
        return self.value


class Question(Answer[T]):
    """A session message that the venue answers, and its answer."""

    def __init__(self, message: Message, logon: int) -> None:
        super().__init__()
        self.message = message
        self.logon = logon  # number of the logon under which it was sent


class AwaitedAnswers:
    """The commands and questions that are open.

    A question whose sender has timed out stays open, so that its late answer is not taken for the
    answer to the next one.
    """

    def __init__(self) -> None:
        self._commands: dict[int, Answer[Report]] = {}  # by user_ref
        self._statuses: list[Question[Report]] = []
        self._requests: list[Question[Reply]] = []

    def add_command(self, user_ref: int) -> Answer[Report]:
        """Await the answer to a command that was sent."""
        answer = self._commands[user_ref] = Answer()
        return answer

    def add_status(self, message: OrderStatusRequest, logon: int) -> Answer[Report]:
        """Await the answer to an order status request that was sent under this logon."""
        return _add(self._statuses, Question(message, logon))

    def add_request(self, message: Message, logon: int) -> Answer[Reply]:
        """Await the reply to any other session message that was sent under this logon."""
        return _add(self._requests, Question(message, logon))

    def receive_report(self, report: Report) -> None:
        """Match a report to the command that it answers, if that is awaited.

        A trade or a bust answers no command. Of several reports the first is the answer.
        """
        if not self._commands or report.kind in (EventKind.FILLED, EventKind.BUSTED):
            return
        answer = self._commands.pop(report.request_ref or report.cl_ord_id, None)
        if answer is None:
            return
        if report.kind == EventKind.REJECTED:
            answer.error = OrderRejected(report)
        else:
            answer.value = report

    def receive_status(self, report: Report) -> None:
        """Match the last report of an order to the first question about that order."""
        question = _take(self._statuses, lambda asked: _is_about(asked, report.cl_ord_id))
        if question is not None:
            question.value = report

    def receive_reply(self, reply: Reply) -> None:
        """Match a reply to the first request that it may answer."""
        question = _take(self._requests, lambda asked: _may_answer(asked, reply))
        if question is not None:
            question.value = reply

    def receive_refusal(self, refusal: Refusal) -> bool:
        """Match a refusal to what it refuses; False if nobody awaits that."""
        found: list[Answer[Any] | None]
        ref = refusal.user_ref
        if refusal.count:
            found = [self._commands.pop(each, None) for each in refused_refs(refusal)]
        elif ref:
            found = [_take(self._statuses, lambda asked: _is_about(asked, ref))]
        else:
            found = [_take(self._requests) or _take(self._statuses)]
        awaited = [answer for answer in found if answer is not None]
        for answer in awaited:
            answer.error = FrameRefused(refusal)
        return bool(awaited)


def _add(questions: list[Question[T]], question: Question[T]) -> Question[T]:
    """Add a question. Those of an earlier logon go: no answer to them comes any more."""
    questions[:] = [each for each in questions if each.logon == question.logon]
    questions.append(question)
    return question


def _take(
    questions: list[Question[T]], matches: Callable[[Message], bool] = lambda _: True
) -> Question[T] | None:
    """Remove the first question whose message matches, and return it."""
    for index, question in enumerate(questions):
        if matches(question.message):
            return questions.pop(index)
    return None


def _is_about(request: Message, user_ref: int) -> bool:
    return isinstance(request, OrderStatusRequest) and request.user_ref == user_ref


def _may_answer(request: Message, reply: Reply) -> bool:
    """Whether a reply has the type of a request's answer, and the content as far as it shows."""
    if not isinstance(reply, _REPLY_TYPES.get(type(request), object)):
        return False
    if isinstance(request, NoticesRequest) and isinstance(reply, Notices):
        return request.day == reply.day
    if isinstance(request, FirmAccountsRequest) and isinstance(reply, FirmAccounts):
        return request.firm == reply.firm
    if isinstance(request, BustTrade) and isinstance(reply, TradeBusted):
        return (request.instrument, request.trade_id) == (reply.instrument, reply.trade_id)
    if isinstance(request, MeterReadings) and isinstance(reply, MeterAnswers):
        return [each.meter for each in request.readings] == [each.meter for each in reply.answers]
    return True
