"""What an HTTP server may answer to a request, and what errors say of the rest."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import TYPE_CHECKING, Any

import pytest

from tap_websocket.errors import CredentialError
from tap_websocket.http.answer import TransientHttpError
from tap_websocket.http.client import HttpClient
from tests.support.raw import serve_raw

if TYPE_CHECKING:
    from tap_websocket.http.answer import Answer
    from tests.support.raw import RawPeer


def _ask(*parts: bytes, ends: bool = True, timeout: float = 20) -> Answer:
    """Ask a server that answers with these parts, and then ends or is silent."""

    async def script(peer: RawPeer) -> None:
        await peer.read_request()
        for part in parts:
            await peer.send(part)
        if not ends:
            await peer.silence()

    with serve_raw(script) as server:
        url = server.url.replace("ws:", "http:")
        return HttpClient(timeout).send("GET", url)


@pytest.mark.parametrize("status", [400, 401, 404, 302])
def test_a_refusal_whose_body_never_ends_is_known_by_its_status(status: int) -> None:
    head = f"HTTP/1.1 {status} No\r\nContent-Length: 999\r\nLocation: /x\r\n\r\n"
    answer = _ask(head.encode(), b'{"error":"x"}', ends=False)
    assert answer.status == status
    assert answer.body == b'{"error":"x"}'
    assert answer.location == "/x"


def test_a_refusal_whose_body_is_endless_is_known_by_its_status() -> None:
    async def script(peer: RawPeer) -> None:
        await peer.read_request()
        await peer.send(b"HTTP/1.1 403 No\r\n\r\n")
        while True:
            await peer.send(b"x" * 65536)
            await asyncio.sleep(0)

    with serve_raw(script) as server:
        answer = HttpClient(20).send("GET", server.url.replace("ws:", "http:"))
    assert answer.status == 403


def test_a_body_of_data_is_waited_for() -> None:
    with pytest.raises(TransientHttpError, match=r"no answer within 2\.5 s"):
        _ask(
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{",
            ends=False,
            timeout=2.5,
        )


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        pytest.param(
            b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 1000 + b"\r\n",
            "the head of the server's answer is too long",
            id="many headers",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nA: " + b"b" * 100_000 + b"\r\n\r\n",
            "the head of the server's answer is too long",
            id="a long header",
        ),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "the answer is not HTTP"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n{}",
            "the server's answer cannot be decompressed",
        ),
    ],
)
def test_an_answer_that_cannot_be_read_is_named(answer: bytes, words: str) -> None:
    with pytest.raises(CredentialError, match=f"failed: {words}; check "):
        _ask(answer)


def test_a_server_that_hangs_up_is_worth_another_try() -> None:
    with pytest.raises(TransientHttpError, match="the connection was lost"):
        _ask()


def test_headers_that_cannot_be_read_are_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    body: Any = b"HTTP/1.1 200 OK\r\nno header SECRET\r\nContent-Length: 0\r\n\r\n"
    with caplog.at_level(logging.INFO):
        assert _ask(body).ok
    assert not re.search("SECRET|Traceback", caplog.text)
