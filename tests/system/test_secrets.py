"""Secrets of every dialect stay out of all output, whatever fails."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.http import Http, serve_http
from tests.support.proxies import serve_proxy
from tests.support.raw import RawPeer, frame, serve_raw
from tests.support.servers import free_port
from tests.support.tap import run_tap

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.tap import Run

SECRET = "hunter2-token"
FETCHED = "fetched/value+42"
CAPTURED = "captured value"
PLACEHOLDER = "placeholder=value"
SECRETS = (
    SECRET,
    FETCHED,
    "fetched%2Fvalue%2B42",
    CAPTURED,
    "captured%20value",
    PLACEHOLDER,
    "placeholder%3Dvalue",
)


def assert_quiet(run: Run) -> None:
    assert run.code == 1, run.stderr
    for secret in SECRETS:
        assert secret not in run.stderr
        assert secret.encode() not in run.stdout


@contextlib.contextmanager
def feed(*messages: str, status: int | None = None) -> Iterator[str]:
    """Serve messages, or an HTTP status that repeats what it was sent."""

    async def script(peer: RawPeer) -> None:
        if status is not None:
            await peer.status(status, body=(peer.request + SECRET + FETCHED).encode())
            return
        await peer.upgrade()
        sent = ""
        while "last" not in sent:
            sent += (await peer.recv())[1].decode()
        # Feeds repeat what they were sent, in their errors above all.
        await peer.send(*(frame(text.replace("$", sent).encode()) for text in messages))
        await peer.wait()

    with serve_raw(script) as server:
        yield f"ws://user:{SECRET}@localhost:{server.port}/{SECRET}/{{key}}"


def settings(url: str, **more: Any) -> dict[str, Any]:
    return {
        "url": url,
        "headers": {"X-Key": f"{SECRET} {{key}}"},
        "placeholders": {"key": PLACEHOLDER},
        "subscribe_messages": [f"{SECRET} {{key}}", "last"],
        "message_rules": [
            {"match": {"id": {"$exists": True}}, "capture": {"id": "$.id"}},
            {"match": {"error": {"$exists": True}}, "then": "fail"},
        ],
        "heartbeat_message": "{id}",
        "heartbeat_interval": 60,
        "max_messages": 10,
        "connect_timeout": 5,
        **more,
    }


def oauth2(http: Http) -> dict[str, Any]:
    return {
        "type": "oauth2",
        "token_url": f"{http.url}/{SECRET}?key={SECRET}",
        "client_id": SECRET,
        "client_secret": SECRET,
        "refresh_token": SECRET,
    }


def endpoint(http: Http) -> dict[str, Any]:
    return {
        "type": "token_endpoint",
        "url": f"{http.url}/{SECRET}/{{key}}?key={SECRET}",
        "headers": {"X-Api": f"{SECRET} {{key}}"},
        "body": {"key": [SECRET, "{key}"]},
        "values": {"token": "$.access_token"},
    }


REPLIES: dict[str, tuple[int, Any]] = {
    "fine": (200, {"access_token": FETCHED, "expires_in": 60}),
    "refused": (400, {"error": "invalid_grant", "error_description": SECRET}),
    "down": (503, {"error": SECRET}),
    "without it": (200, {"other": SECRET}),
    "redirected": (302, {}),
}


@pytest.mark.parametrize("reply", REPLIES)
@pytest.mark.parametrize("kind", [oauth2, endpoint])
def test_token_requests(kind: Any, reply: str, tmp_path: Path) -> None:
    with serve_http() as http, feed(status=401) as url:
        http.status, http.reply = REPLIES[reply]
        config = settings(url, auth=kind(http))
        run = run_tap(tmp_path, config, env={"LOGLEVEL": "DEBUG"})
        assert http.requests
    assert_quiet(run)
    assert len(run.errors) == 1


@pytest.mark.parametrize("transport", ["websockets", "picows"])
def test_what_a_feed_repeats(transport: str, tmp_path: Path) -> None:
    captured = json.dumps({"id": CAPTURED})
    error = json.dumps({"error": f"$ {CAPTURED} {FETCHED} {'x' * 470} {SECRET}"})
    with serve_http() as http, feed(captured, error) as url:
        http.status, http.reply = REPLIES["fine"]
        config = settings(url, auth=endpoint(http), transport=transport)
        run = run_tap(tmp_path, config, env={"LOGLEVEL": "DEBUG"})
    assert run.code == 1
    (line,) = run.errors
    assert "a rule calls fatal" in line
    assert "****" in line
    for secret in SECRETS:
        assert secret not in run.stderr


def test_a_signature(tmp_path: Path) -> None:
    error = '{"error":"bad signature $"}'
    with feed(error) as url:
        config = settings(
            url,
            auth={
                "type": "signed",
                "secret": SECRET,
                "template": f"{{timestamp}}{SECRET}",
                "encoding": "hex",
            },
            subscribe_messages=["{signature}last"],
        )
        run = run_tap(tmp_path, config, env={"LOGLEVEL": "DEBUG"})
    (line,) = run.errors
    assert "bad signature ****last" in line
    assert_quiet(run)


@pytest.mark.parametrize("transport", ["websockets", "picows"])
@pytest.mark.parametrize("kind", ["http", "socks5"])
@pytest.mark.parametrize("up", [True, False])
def test_a_proxy(kind: Any, transport: str, up: bool, tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        port = free_port()
        if up:
            port = stack.enter_context(serve_proxy(kind, "user:else")).port
        config = settings(
            f"ws://localhost:{free_port()}/{SECRET}",
            proxy=f"{kind}://{SECRET}:{SECRET}@127.0.0.1:{port}",
            transport=transport,
        )
        run = run_tap(tmp_path, config, env={"LOGLEVEL": "DEBUG"})
    assert_quiet(run)
    assert "proxy" in run.stderr


def test_wrong_values_of_each_setting(tmp_path: Path) -> None:
    wrong: dict[str, Any] = {
        "tls": {"key_password": [SECRET], "ca_file": 5},
        "proxy": f"socks9://{SECRET}@host",
        "auth": {"type": "oauth2", "client_secret": [SECRET], "clientid": SECRET},
        "placeholders": {SECRET + " ": {"x": SECRET}},
        "message_rules": [{"match": SECRET, "than": SECRET}, SECRET],
        "subscribe_messages": [{"message": SECRET, "binary": SECRET}],
        "heartbeat_message": [SECRET],
    }
    for name, value in wrong.items():
        config = {"url": "ws://localhost/", "max_messages": 1, name: value}
        if name == "heartbeat_message":
            del config["max_messages"]
        run = run_tap(tmp_path, config, env={"LOGLEVEL": "DEBUG"})
        assert run.code == 1, name
        assert SECRET not in run.stderr.replace(f"{SECRET} ", ""), name
