"""Binary messages that are small and stand for much take what any large message may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.memory import MIB, SLACK, run_for_peak
from tests.support.raw import frame, opens, serve_raw

if TYPE_CHECKING:
    from pathlib import Path


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

    play = opens(frame(message, opcode=2))
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
        measured = run_for_peak(tmp_path, {"url": server.url, **config})
    assert 0 < measured < MIB + SLACK + MOST * SIZE
