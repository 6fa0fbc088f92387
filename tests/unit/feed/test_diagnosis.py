"""What the error of a run says that received nothing."""

from __future__ import annotations

from tap_websocket.expressions.matchers import compile_matcher
from tap_websocket.expressions.templates import Template
from tap_websocket.feed.diagnosis import Diagnosis
from tap_websocket.settings import Item

GREETING = Item("greeting", None, compile_matcher("hello"))
LOGIN = Item("login", Template("login"), compile_matcher("welcome"))


def said(diagnosis: Diagnosis, *, has_records: bool = False) -> str | None:
    error = diagnosis.error("idle_timeout", has_records=has_records)
    return None if error is None else str(error)


def test_the_last_failure_is_why_it_never_connected() -> None:
    diagnosis = Diagnosis((), lambda: 0.0)
    diagnosis.failed("the first")
    diagnosis.failed("the last")
    assert said(diagnosis) == "never connected (idle_timeout); the last try: the last"


def test_what_an_attempt_still_waits_for_is_said_with_its_time() -> None:
    now = 5.0
    diagnosis = Diagnosis((), lambda: now)
    assert "no connection was tried" in (said(diagnosis) or "")
    diagnosis.waiting("no answer")
    now = 12.4
    assert (said(diagnosis) or "").endswith("the last try: no answer after 7 s")


def test_a_run_without_replies_to_await_is_none_once_it_was_connected() -> None:
    diagnosis = Diagnosis((), lambda: 0.0)
    diagnosis.opened()
    assert said(diagnosis) is None


def test_a_subscription_that_nobody_answered_is_one() -> None:
    diagnosis = Diagnosis((GREETING, LOGIN), lambda: 0.0)
    diagnosis.opened()
    assert (said(diagnosis) or "").endswith("no connection was closed")
    assert said(diagnosis, has_records=True) is None
    diagnosis.failed("a Close frame with code 1008")
    assert (said(diagnosis) or "").endswith(
        "the last connection: a Close frame with code 1008"
    )


def test_a_greeting_is_an_answer_only_where_nothing_else_is_awaited() -> None:
    diagnosis = Diagnosis((GREETING, LOGIN), lambda: 0.0)
    diagnosis.opened()
    diagnosis.replied(GREETING)
    assert said(diagnosis) is not None
    diagnosis.replied(LOGIN)
    assert said(diagnosis) is None
    alone = Diagnosis((GREETING,), lambda: 0.0)
    alone.opened()
    alone.replied(GREETING)
    assert said(alone) is None
