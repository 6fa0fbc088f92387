"""Where a refused handshake leads."""

from __future__ import annotations

import pytest

from tap_websocket.feed.redirects import redirect
from tap_websocket.network.errors import BadHandshake, HandshakeRefused


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("wss://other.example/feed", "wss://other.example/feed"),
        ("https://other.example/feed", "wss://other.example/feed"),
        ("/elsewhere?a=1#part", "wss://one.example:8443/elsewhere?a=1"),
        ("//other.example/x", "wss://other.example/x"),
        ("wss://user:secret@other.example/", "wss://other.example/"),
    ],
)
def test_a_redirect_is_followed(location: str, target: str) -> None:
    error = HandshakeRefused(307, {"location": location})
    assert redirect("wss://one.example:8443/feed", error) == target


@pytest.mark.parametrize("location", ["ws://one.example/", "http://one.example/"])
def test_never_from_wss_to_ws(location: str) -> None:
    error = HandshakeRefused(301, {"location": location})
    with pytest.raises(BadHandshake, match="not followed"):
        redirect("wss://one.example/", error)


def test_what_is_no_websocket_address_is_refused() -> None:
    error = HandshakeRefused(302, {"location": "ftp://one.example/"})
    with pytest.raises(BadHandshake, match="not a WebSocket address"):
        redirect("ws://one.example/", error)


@pytest.mark.parametrize(
    "error",
    [HandshakeRefused(307, {}), HandshakeRefused(404, {"location": "/x"})],
)
def test_other_answers_lead_nowhere(error: HandshakeRefused) -> None:
    assert redirect("ws://one.example/", error) is None
