"""Name servers that do not answer: a look-up cannot be interrupted."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tap_websocket.errors import ConnectionFailed
from tests.support.receive import receive
from tests.support.scripts import says_nothing
from tests.support.servers import serve

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("each_transport", "no_proxy")

NAME = "feed.example"
PATIENCE = 40.0
"""Seconds that a look-up takes if the test does not end it."""


@pytest.fixture(autouse=True)
def silent_name_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Hold look-ups of a name until the test is over; the event says there was one."""
    over, asked = threading.Event(), threading.Event()
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host not in {NAME, NAME.encode()}:
            return resolve(host, *args, **kwargs)
        asked.set()
        over.wait(PATIENCE)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield asked
    over.set()


@pytest.mark.parametrize(
    "way",
    [
        {"url": f"ws://{NAME}/"},
        {"url": f"wss://{NAME}/"},
        {"proxy": f"http://{NAME}:1"},
        {"proxy": f"https://{NAME}:1"},
        {"proxy": f"socks5://{NAME}:1"},
    ],
    ids=["ws", "wss", "http proxy", "https proxy", "SOCKS proxy"],
)
def test_an_end_of_the_run_does_not_wait_for_a_look_up(
    way: dict[str, Any],
    silent_name_server: threading.Event,
    each_transport: str,
) -> None:
    if way.get("proxy", "").startswith("https:") and each_transport == "picows":
        pytest.skip("picows does not go through an https:// proxy")
    run = receive(**{"url": "ws://localhost:1/", "max_duration": 1, **way})
    assert silent_name_server.is_set()
    assert isinstance(run.error, ConnectionFailed)
    assert "never connected" in str(run.error)
    assert run.seconds < PATIENCE / 2


@pytest.mark.parametrize(
    "asked",
    [
        {
            "auth": {
                "type": "token_endpoint",
                "url": f"https://{NAME}/",
                "values": {"key": "$.key"},
            }
        },
        {
            "auth": {
                "type": "oauth2",
                "token_url": f"http://{NAME}/",
                "client_id": "a",
                "client_secret": "secret",
            }
        },
        {
            "topics": {"url": f"http://{NAME}/", "path": "$.all"},
            "subscribe_messages": ["{topics}"],
        },
        {
            "subscribe_messages": [
                {"request": {"url": f"http://{NAME}/"}, "reply_timeout": 1}
            ]
        },
        {
            "proxy": f"http://{NAME}:1",
            "auth": {
                "type": "token_endpoint",
                "url": "http://localhost:1/",
                "values": {"key": "$.key"},
            },
        },
    ],
    ids=["token", "oauth2", "topics", "step", "proxy"],
)
def test_a_request_has_its_time_though_a_look_up_hangs(asked: dict[str, Any]) -> None:
    with serve(says_nothing) as server:
        run = receive(
            **{"url": server.url, "max_duration": 60, "connect_timeout": 1, **asked}
        )
    assert isinstance(run.error, ConnectionFailed)
    assert "no answer within 1 s" in str(run.error)
    assert run.seconds < PATIENCE / 2
