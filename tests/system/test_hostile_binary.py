"""Binary messages that are small and stand for much take what any large message may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.raw import frame, serve_raw
from tests.support.tap import start_tap
from tests.system.test_memory import MIB, SLACK, peak

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.raw import RawPeer

SIZE = 4 * MIB
MOST = 16
"""Times its size that a message may take (docs/behaviour.md, "Back-pressure")."""


def array(form: str, item: bytes) -> bytes:
    """Return an array of an item, of `SIZE` bytes."""
    head = {"msgpack": b"\xdd", "cbor": b"\x9a"}[form]
    count = SIZE // len(item)
    return head + count.to_bytes(4) + item * count


SENT = {
    "maps of MessagePack": ("msgpack", array("msgpack", b"\x81\xa1a\x01")),
    "maps of CBOR": ("cbor", array("cbor", b"\xa1\x61a\x01")),
    "a text in chunks": ("cbor", b"\x7f" + b"\x60" * SIZE + b"\xff"),
}


@pytest.mark.parametrize("transport", ["websockets", "picows"])
@pytest.mark.parametrize("sent", SENT)
def test_a_binary_message_takes_no_more_than_a_large_one_may(
    sent: str, transport: str, tmp_path: Path
) -> None:
    form, message = SENT[sent]

    async def play(peer: RawPeer) -> None:
        await peer.upgrade(frame(message, opcode=2))
        await peer.wait()

    config: dict[str, Any] = {
        "message_format": form,
        "max_messages": 1,
        "max_duration": 300,
        "buffer_bytes": MIB,
        "transport": transport,
    }
    if sent == "a text in chunks":
        config["on_parse_error"] = "rescue"
    with serve_raw(play) as server:
        tap = start_tap(tmp_path, {"url": server.url, **config})
        assert tap.stdout is not None
        assert tap.stderr is not None
        records = measured = 0
        for line in tap.stdout:
            records += line.startswith(b'{"type":"RECORD"')
            if records in {1, len(message) // 4}:
                # The first comes when all of the message was read.
                measured = peak(tap)
        errors = tap.stderr.read().decode()
        tap.stdout.close()
        tap.stderr.close()
        assert tap.wait(60) == 0, errors
    assert 0 < measured < MIB + SLACK + MOST * SIZE
