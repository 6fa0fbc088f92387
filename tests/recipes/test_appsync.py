"""The recipes for AWS AppSync Events, against a server that checks the credentials."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from tests.support.mishaps import refuse
from tests.support.recipes import drop, hear, play, recipe, say, with_changes
from tests.support.sigv4 import signature

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.support.servers import Peer

KEY = recipe("appsync", "With an API key")
IAM = recipe("appsync", "With IAM")
ACK, SUBSCRIBED, FIRST, ALIVE, SECOND = KEY.arrives
SUBPROTOCOLS = ("aws-appsync-event-ws",)
HOST = "example.appsync-api.eu-central-1.amazonaws.com"
CHANNEL = "/default/prices/*"
SECRET = "the-secret-key-of-the-user"


def opening(headers: Mapping[str, str]) -> Any:
    """Return the credentials that a handshake brings as a subprotocol."""
    spoken, header = headers["Sec-WebSocket-Protocol"].split(", ")
    assert spoken == SUBPROTOCOLS[0]
    text = header.removeprefix("header-")
    assert "=" not in text
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


async def subscribed(peer: Peer) -> Any:
    """Play the server up to the subscription, and return its credentials."""
    # The signature stands elsewhere, so none in the URL.
    assert peer.path == "/event/realtime"
    assert await hear(peer) == {"type": "connection_init"}
    await asyncio.sleep(0.05)
    assert len(peer.received) == 1, "subscribed before the acknowledgement"
    await say(peer, ACK)
    message = await hear(peer)
    authorization = message.pop("authorization")
    assert message == {"type": "subscribe", "id": "prices", "channel": CHANNEL}
    return authorization


async def publish(peer: Peer) -> None:
    await say(peer, SUBSCRIBED)
    if peer.number == 1:
        await say(peer, FIRST)
        await drop(peer)
    else:
        await say(peer, ALIVE, SECOND)
        await peer.wait()


def takes_key(headers: Mapping[str, str]) -> web.Response | None:
    """Refuse a handshake with another key."""
    if opening(headers) == {"host": HOST, "x-api-key": "da2-YOUR-KEY"}:
        return None
    return web.Response(status=401)


@pytest.mark.parametrize("apart", [True, False])
def test_table(tmp_path: Path, *, apart: bool) -> None:
    async def script(peer: Peer) -> None:
        authorization = await subscribed(peer)
        assert authorization == {"host": HOST, "x-api-key": "da2-YOUR-KEY"}
        await publish(peer)

    run = play(
        KEY,
        script,
        process=tmp_path if apart else None,
        refuse=lambda request: takes_key(request.headers),
        subprotocols=SUBPROTOCOLS,
        max_messages=2,
        reconnect_backoff=0.1,
    )
    assert run.code == 0
    run.gives(KEY.tables)
    assert len(run.peers) == 2


def test_a_channel_that_may_not_be_subscribed(tmp_path: Path) -> None:
    refused, _ = KEY.failures

    run = play(
        KEY, refuse(subscribed, refused), process=tmp_path, subprotocols=SUBPROTOCOLS
    )
    assert run.code == 1
    assert run.error == refused


def test_a_wrong_key(tmp_path: Path) -> None:
    _, refused = KEY.failures
    header = json.dumps({"host": HOST, "x-api-key": "da2-WRONG"})
    placeholders = {"host": HOST, "api_key": "da2-WRONG", "header": header}
    run = play(
        with_changes(KEY, placeholders=placeholders),
        subscribed,
        process=tmp_path,
        refuse=lambda request: takes_key(request.headers),
    )
    assert run.code == 1
    assert run.error == refused
    assert not run.peers
    assert "da2-WRONG" not in run.logs


class Aws:
    """Computes the signatures of requests once more, and compares them.

    Attributes:
        seen: The signatures, so that they can be looked for where they do not belong.
    """

    def __init__(self) -> None:
        self.seen: list[str] = []

    def accepts(self, headers: dict[str, str], body: bytes) -> bool:
        authorization = headers.pop("Authorization")
        scheme, _, rest = authorization.partition(" ")
        parts = dict(part.strip().split("=", 1) for part in rest.split(","))
        time = headers["X-Amz-Date"]
        sent = dt.datetime.strptime(time, "%Y%m%dT%H%M%S%z")
        assert abs(dt.datetime.now(dt.UTC) - sent) < dt.timedelta(minutes=5)
        access_key, _, scope = parts["Credential"].partition("/")
        assert (scheme, access_key) == ("AWS4-HMAC-SHA256", "AKIDEXAMPLE")
        assert scope == f"{time[:8]}/eu-central-1/appsync/aws4_request"
        assert headers["host"] == HOST
        names = parts["SignedHeaders"].split(";")
        assert sorted(map(str.lower, headers)) == names
        wanted = signature(
            SECRET, "POST", f"https://{HOST}/event", headers, body, scope, time
        )
        self.seen.append(parts["Signature"])
        return parts["Signature"] == wanted


@pytest.fixture
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's keys, where AWS's own tools look for them."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)


@pytest.mark.usefixtures("_keys")
@pytest.mark.parametrize("apart", [True, False])
def test_signed(tmp_path: Path, *, apart: bool) -> None:
    aws = Aws()

    async def script(peer: Peer) -> None:
        given = {"Sec-WebSocket-Protocol": peer.headers["sec-websocket-protocol"]}
        assert aws.accepts(opening(given), b"{}")
        body = json.dumps({"channel": CHANNEL}, separators=(",", ":")).encode()
        assert aws.accepts(await subscribed(peer), body)
        await publish(peer)

    run = play(
        IAM,
        script,
        process=tmp_path if apart else None,
        subprotocols=SUBPROTOCOLS,
        max_messages=2,
        reconnect_backoff=0.1,
    )
    assert run.code == 0
    run.gives(KEY.tables)
    assert len(aws.seen) == 4


@pytest.mark.usefixtures("_keys")
def test_a_wrong_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-secret-key")
    (refused,) = IAM.failures
    aws = Aws()

    async def script(peer: Peer) -> None:
        given = {"Sec-WebSocket-Protocol": peer.headers["sec-websocket-protocol"]}
        assert not aws.accepts(opening(given), b"{}")
        assert await hear(peer) == {"type": "connection_init"}
        await say(peer, refused.partition("fatal: ")[2])
        await peer.wait()

    run = play(IAM, script, process=tmp_path, subprotocols=SUBPROTOCOLS)
    assert run.code == 1
    assert run.error == refused
    for secret in ("another-secret-key", *aws.seen):
        assert secret not in run.logs
