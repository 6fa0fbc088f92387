"""A run in which nothing came: an error where a subscription was never answered."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from tap_websocket.errors import ConnectionFailed
from tests.support.raw import RawPeer, close_frame, frame, serve_raw
from tests.support.receive import receive

if TYPE_CHECKING:
    from collections.abc import Callable

SUBSCRIPTION = [{"message": {"op": "login"}, "reply": {"ok": True}}]

pytestmark = pytest.mark.usefixtures("each_transport")


async def refuses(peer: RawPeer) -> None:
    """Close as Centrifugo does for a bad token."""
    await peer.upgrade()
    await peer.recv()
    await peer.send(close_frame(3500, b"invalid token"))
    await peer.wait()


async def complains(peer: RawPeer) -> None:
    """Answer with an error that nobody awaits, and stay open."""
    await peer.upgrade()
    await peer.recv()
    await peer.send(frame(b'{"ok": false}'))
    await peer.wait()


async def says_nothing(peer: RawPeer) -> None:
    await peer.upgrade()
    await peer.wait()


def accepts(*messages: Any) -> Callable[[RawPeer], Any]:
    async def script(peer: RawPeer) -> None:
        await peer.upgrade()
        await peer.recv()
        await peer.send(frame(b'{"ok": true}'))
        await peer.send(*(frame(json.dumps(item).encode()) for item in messages))
        await peer.wait()

    return script


@pytest.mark.parametrize("end", ["idle_timeout", "max_duration"])
def test_a_login_that_is_refused_is_an_error(end: str) -> None:
    given: dict[str, Any] = {end: 3}
    with serve_raw(refuses) as server:
        run = receive(
            url=server.url,
            subscribe_messages=SUBSCRIPTION,
            reconnect=True,
            reconnect_backoff=0.1 if end == "max_duration" else 10,
            **given,
        )
    assert isinstance(run.error, ConnectionFailed)
    assert "never subscribed" in str(run.error)
    assert end in str(run.error)
    assert "code 3500 ('invalid token')" in str(run.error)


@pytest.mark.parametrize("script", [complains, says_nothing])
def test_a_login_that_is_not_answered_is_an_error(
    script: Callable[[RawPeer], Any],
) -> None:
    rules = [{"match": {"ok": False}, "then": "ignore"}]
    with serve_raw(script) as server:
        run = receive(
            url=server.url,
            subscribe_messages=SUBSCRIPTION,
            message_rules=rules,
            idle_timeout=2,
        )
    assert isinstance(run.error, ConnectionFailed)
    assert "never subscribed" in str(run.error)
    assert "no connection was closed" in str(run.error)


def test_data_without_the_reply_is_no_error() -> None:
    """The reply may look different from what was expected, but the feed works."""
    with serve_raw(complains) as server:
        run = receive(url=server.url, subscribe_messages=SUBSCRIPTION, idle_timeout=2)
    assert run.error is None
    assert run.records[0]["ok"] is False


def test_a_reply_without_data_is_no_error() -> None:
    with serve_raw(accepts()) as server:
        run = receive(url=server.url, subscribe_messages=SUBSCRIPTION, idle_timeout=2)
    assert run.error is None
    assert not run.records


def test_one_of_several_replies_is_enough() -> None:
    """The first channel was accepted, so the credentials are right."""
    with serve_raw(accepts()) as server:
        run = receive(
            url=server.url,
            subscribe_messages=[*SUBSCRIPTION, {"message": "b", "reply": {"b": 1}}],
            max_duration=2,
        )
    assert run.error is None


def test_a_subscription_without_replies_says_nothing() -> None:
    with serve_raw(says_nothing) as server:
        run = receive(url=server.url, subscribe_messages=["a"], idle_timeout=2)
    assert run.error is None


def test_a_login_that_succeeded_once_is_no_error_later() -> None:
    async def first_drops(peer: RawPeer) -> None:
        if peer.number == 1:
            await peer.upgrade()
            await peer.recv()
            await peer.send(frame(b'{"ok": true}'))
            # A reset throws away what is not read yet.
            await peer.all_read()
            peer.reset()
        else:
            await refuses(peer)

    with serve_raw(first_drops) as server:
        run = receive(
            url=server.url,
            subscribe_messages=SUBSCRIPTION,
            reconnect=True,
            reconnect_backoff=0.1,
            max_duration=3,
        )
    assert run.error is None


def test_a_long_run_without_data_is_warned_about(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    with serve_raw(accepts({"type": "hb"}, {"type": "hb"})) as server:
        receive(
            url=server.url,
            subscribe_messages=SUBSCRIPTION,
            message_rules=[{"match": {"type": "hb"}, "then": "ignore"}],
            max_duration=2,
        )
    (warning,) = (r for r in caplog.records if r.levelno == logging.WARNING)
    assert "No data message came in 2 s (max_duration)" in warning.getMessage()
    assert "3 documents were ignored" in warning.getMessage()
    # What messages say is for the debug level.
    assert "hb" not in warning.getMessage()
    # The reply that the subscription awaits tells nothing.
    assert first_ignored(caplog) == '{"type": "hb"}'


def first_ignored(caplog: pytest.LogCaptureFixture) -> str:
    begin = "The first document that was ignored: "
    (text,) = (
        record.getMessage().removeprefix(begin)
        for record in caplog.records
        if record.levelno == logging.DEBUG and record.getMessage().startswith(begin)
    )
    return text


def test_the_document_that_was_ignored_is_masked_escaped_and_cut(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    said = "\x1b[31m" + "s3cr3t-token" + "x" * 1000
    with serve_raw(accepts({"type": said})) as server:
        receive(
            url=server.url,
            subscribe_messages=SUBSCRIPTION,
            auth={"type": "bearer", "token": "s3cr3t-token"},
            records_path="$.nothing",
            message_format="json",
            max_duration=2,
        )
    text = first_ignored(caplog)
    assert "s3cr3t-token" not in text
    assert "\x1b" not in text
    assert "xxx… (" in text
    assert len(text) < 500


def test_a_run_with_data_is_not_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    with serve_raw(accepts({"a": 1})) as server:
        receive(url=server.url, subscribe_messages=SUBSCRIPTION, max_duration=2)
    assert not [r for r in caplog.records if r.levelno == logging.WARNING]


def greets(*answers: str) -> Callable[[RawPeer], Any]:
    async def script(peer: RawPeer) -> None:
        await peer.upgrade()
        await peer.send(frame(b'{"hello": true}'))
        await peer.recv()
        await peer.send(*(frame(answer.encode()) for answer in answers))
        await peer.wait()

    return script


def test_a_greeting_is_no_answer() -> None:
    """The server greets everybody, and refuses the login for now each time."""
    with serve_raw(greets('{"busy": true}')) as server:
        run = receive(
            url=server.url,
            subscribe_messages=[{"reply": {"hello": True}}, *SUBSCRIPTION],
            message_rules=[{"match": {"busy": True}, "then": "reconnect"}],
            reconnect=True,
            reconnect_backoff=0.1,
            max_duration=2,
        )
    assert isinstance(run.error, ConnectionFailed)
    assert "never subscribed" in str(run.error)
    assert "message_rules[0] asked for it" in str(run.error)


def test_a_greeting_is_enough_where_nothing_else_is_awaited() -> None:
    with serve_raw(greets()) as server:
        run = receive(
            url=server.url,
            subscribe_messages=[{"reply": {"hello": True}}, "a"],
            max_duration=2,
        )
    assert run.error is None
