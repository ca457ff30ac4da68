"""Awaited answers: each goes to the command or question that it answers, also if it is late."""

import pytest

from feeds.client.awaited_answers import AwaitedAnswers
from feeds.client.order_session import refused_refs
from feeds.protocol.delivery_messages import Notices, NoticesRequest
from feeds.protocol.errors import FrameRefused, OrderRejected
from feeds.protocol.execution_reports import Report
from feeds.protocol.messages import (
    Done,
    KillSwitch,
    OrderStatusRequest,
    Refusal,
    RefusalReason,
    VenueStatusRequest,
)
from matching.records import EventKind


def report(kind: EventKind, user_ref: int, request_ref: int = 0) -> Report:
    return Report(
        exec_id=1, kind=kind, exec_type="0", ord_status="0", cl_ord_id=user_ref,
        request_ref=request_ref,
    )  # fmt: skip


def test_a_command_is_answered_by_the_first_report_that_names_it() -> None:
    answers = AwaitedAnswers()
    order, cancel = answers.add_command(1), answers.add_command(2)
    answers.receive_report(report(EventKind.FILLED, 1))
    assert order.get() is None
    accepted = report(EventKind.ACCEPTED, 1, 1)
    answers.receive_report(accepted)
    answers.receive_report(report(EventKind.CANCELLED, 1, 2))
    assert order.get() is accepted
    assert cancel.get() == report(EventKind.CANCELLED, 1, 2)
    rejected = answers.add_command(3)
    answers.receive_report(report(EventKind.REJECTED, 3, 3))
    with pytest.raises(OrderRejected):
        rejected.get()


def test_a_late_status_does_not_answer_the_question_about_another_order() -> None:
    answers = AwaitedAnswers()
    answers.add_status(OrderStatusRequest(user_ref=1), 1)
    second = answers.add_status(OrderStatusRequest(user_ref=2), 1)
    answers.receive_status(report(EventKind.ACCEPTED, 1))
    assert second.get() is None
    found = report(EventKind.ACCEPTED, 2)
    answers.receive_status(found)
    assert second.get() is found


def test_a_late_reply_answers_the_earlier_of_two_equal_requests() -> None:
    answers = AwaitedAnswers()
    answers.add_request(KillSwitch(session="east-1"), 1)
    second = answers.add_request(KillSwitch(session="east-2"), 1)
    answers.receive_reply(Done(sequence=1))
    assert second.get() is None
    answers.receive_reply(Done(sequence=2))
    assert second.get() == Done(sequence=2)


def test_a_reply_answers_only_a_request_of_its_type_and_content() -> None:
    answers = AwaitedAnswers()
    status = answers.add_request(VenueStatusRequest(), 1)
    notices = answers.add_request(NoticesRequest(day="2026-11-23"), 1)
    answers.receive_reply(Notices(day="2026-11-22", lines=[], count=0))
    assert (status.get(), notices.get()) == (None, None)
    answers.receive_reply(Notices(day="2026-11-23", lines=[], count=0))
    assert status.get() is None
    assert notices.get() is not None


def test_after_a_new_logon_earlier_questions_are_not_answered_any_more() -> None:
    answers = AwaitedAnswers()
    lost = answers.add_request(KillSwitch(session="east-1"), 1)
    again = answers.add_request(KillSwitch(session="east-1"), 2)
    answers.receive_reply(Done(sequence=3))
    assert lost.get() is None
    assert again.get() == Done(sequence=3)


def test_a_refusal_goes_to_what_it_refuses() -> None:
    answers = AwaitedAnswers()
    order, status = answers.add_command(5), answers.add_status(OrderStatusRequest(user_ref=5), 1)
    request = answers.add_request(VenueStatusRequest(), 1)
    rate = RefusalReason.RATE
    frame = Refusal(reason=rate, text="", user_ref=6, index=1, count=2)
    assert list(refused_refs(frame)) == [5, 6, 7]
    assert answers.receive_refusal(frame)
    with pytest.raises(FrameRefused):
        order.get()
    assert status.get() is None
    assert answers.receive_refusal(Refusal(reason=rate, text="", user_ref=5))
    with pytest.raises(FrameRefused):
        status.get()
    assert request.get() is None
    assert answers.receive_refusal(Refusal(reason=rate, text=""))
    with pytest.raises(FrameRefused):
        request.get()
    assert not answers.receive_refusal(frame)
    assert not answers.receive_refusal(Refusal(reason=rate, text=""))
