"""Placeholders as host and port, and filters, over real connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.receive import receive
from tests.support.servers import serve
from tests.support.tap import run_tap

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import Peer


async def one_trade(peer: Peer) -> None:
    await peer.send('{"price": 1}')
    await peer.close()


@pytest.mark.usefixtures("each_transport")
@pytest.mark.parametrize(
    ("url", "more"),
    [
        ("ws://{domain}:{port}/api/ws", {"placeholders": {"domain": "127.0.0.1"}}),
        ("ws://127.0.0.1:{port}/api/ws", {"contexts": [{"port": "PORT"}]}),
        ("ws://{host}/api/ws", {"placeholders": {"host": "127.0.0.1:PORT"}}),
        ("{base}/ws", {"placeholders": {"base": "http://127.0.0.1:PORT/api"}}),
        ("ws://127.0.0.1:{port}/{p|raw}", {"placeholders": {"p": "api/ws"}}),
        ("ws://127.0.0.1:{port}/{p|lower|raw}", {"placeholders": {"p": "API/WS"}}),
    ],
)
def test_placeholders_stand_anywhere_in_the_url(url: str, more: dict[str, Any]) -> None:
    with serve(one_trade) as server:
        port = str(server.port)
        if "placeholders" in more:
            values = {
                name: value.replace("PORT", port)
                for name, value in more["placeholders"].items()
            }
            run = receive(url=url, placeholders={"port": port, **values})
        else:
            run = receive(url=url, contexts=[{"port": port}])
        (peer,) = server.peers
    assert run.error is None
    assert [record["price"] for record in run.records] == [1]
    assert peer.path == "/api/ws"


def test_a_port_that_is_none_is_an_error_without_its_value(tmp_path: Path) -> None:
    config = {
        "url": "ws://127.0.0.1:{port}/api/ws",
        "placeholders": {"port": "eighty-eighty"},
        "max_duration": 5,
        "infer_messages": 0,
    }
    run = run_tap(tmp_path, config)
    assert run.code == 1
    (error,) = run.errors
    assert "url: with its placeholders filled in it is not a valid URL" in error
    assert "{port}" in error
    assert "eighty" not in run.stderr


@pytest.mark.parametrize("setting", ["url", "headers", "auth"])
def test_an_unknown_filter_is_a_config_error(tmp_path: Path, setting: str) -> None:
    holders: dict[str, dict[str, Any]] = {
        "url": {"url": "ws://localhost/{x|lowr}"},
        "headers": {"headers": {"X": "{x|lowr}"}},
        "auth": {"auth": {"type": "custom", "headers": {"X": "{x|lowr}"}}},
    }
    placeholders = {"x": "1"}
    base: dict[str, Any] = {
        "url": "ws://localhost/",
        "max_duration": 1,
        "placeholders": placeholders,
    }
    run = run_tap(tmp_path, {**base, **holders[setting]})
    assert run.code == 1
    (error,) = run.errors
    assert f"{setting}" in error
    assert "lowr is not a filter of placeholders" in error
    assert "did you mean 'lower'?" in error
