"""Other taps build on this one: what a subclass of the stream may override."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.servers import serve
from tests.support.tap import Run, clean_environment, write_config

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.support.servers import Peer

pytestmark = pytest.mark.usefixtures("each_transport")

BUILT_ON_IT = """
import zlib

from tap_websocket.errors import ParseError
from tap_websocket.stream import WebSocketStream
from tap_websocket.tap import TapWebSocket


class Stream(WebSocketStream):
    def subscribe_messages(self):
        return [*super().subscribe_messages(), {"message": {"op": "more"}}]

    def decode(self, payload):
        check, packed = payload[:4], payload[4:]
        if zlib.crc32(packed).to_bytes(4) != check:
            raise ParseError("the checksum is wrong")
        return packed.split(b";")


class Tap(TapWebSocket):
    name = "tap-built-on-it"

    def discover_streams(self):
        return [Stream(self)]


Tap.cli()
"""


def packed(*documents: Any) -> bytes:
    data = b";".join(json.dumps(document).encode() for document in documents)
    return zlib.crc32(data).to_bytes(4) + data


def run(directory: Path, config: dict[str, Any]) -> Run:
    options = ["--config", str(write_config(directory, config))]
    done = subprocess.run(
        [sys.executable, "-c", BUILT_ON_IT, *options],
        capture_output=True,
        env=clean_environment(),
        cwd=directory,
        timeout=60,
        check=False,
    )
    return Run(done.returncode, done.stdout, done.stderr.decode())


def feed(messages: Sequence[bytes], heard: list[Any]) -> Any:
    async def script(peer: Peer) -> None:
        heard.extend([await peer.recv(), await peer.recv()])
        for message in messages:
            await peer.send(message)
        await peer.close(1000)

    return script


def test_a_subclass_decodes_and_subscribes(tmp_path: Path) -> None:
    messages = [
        packed({"n": 1}, {"n": 2.50}),
        packed({"type": "hb"}),
        b"none of it",
        *(packed({"n": number}) for number in range(3, 300)),
    ]
    heard: list[Any] = []
    config = {
        "max_duration": 60,
        "subscribe_messages": ["one"],
        "message_rules": [{"match": {"type": "hb"}, "then": "ignore"}],
        "on_parse_error": "skip",
    }
    with serve(feed(messages, heard)) as server:
        done = run(tmp_path, {"url": server.url, **config})
    assert done.code == 0, done.stderr
    assert [record["n"] for record in done.records] == [1, 2.5, *range(3, 300)]
    assert "ignored=1 skipped=1 " in done.ending
    assert [json.loads(text) if "{" in text else text for text in heard] == [
        "one",
        {"op": "more"},
    ]


def test_what_it_cannot_decode_ends_the_run(tmp_path: Path) -> None:
    messages = [packed({"n": 1}), b"none of it", packed({"n": 2})]
    with serve(feed(messages, [])) as server:
        config = {"url": server.url, "max_duration": 60, "subscribe_messages": ["one"]}
        done = run(tmp_path, config)
    assert done.code == 1
    (error,) = done.errors
    assert "the checksum is wrong" in error
    assert [record["n"] for record in done.records] == [1]
