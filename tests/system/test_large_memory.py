"""A large message of any shape takes a bounded multiple of its size.

Measured from outside (docs/behaviour.md, "Back-pressure").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.memory import MIB, SLACK, run_for_peak
from tests.support.raw import frame, opens, serve_raw

if TYPE_CHECKING:
    from pathlib import Path


SIZE = 12 * MIB
BUFFER = MIB
MOST = BUFFER + SLACK + 16 * SIZE


def filled(head: bytes, item: bytes, tail: bytes) -> bytes:
    """Return a message of many equal items."""
    return head + item * (SIZE // len(item)) + tail


def named(head: bytes, tail: bytes) -> bytes:
    """Return a message of many members."""
    members = b",".join(b'"k%d":1' % n for n in range(SIZE // 12))
    return head + members + tail


SHAPES: dict[str, tuple[bytes, dict[str, Any]]] = {
    "a field": (filled(b'{"a":[', b"[],", b"[]]}"), {}),
    "a map": (named(b'{"a":{', b"}}"), {}),
    "names": (named(b"{", b"}"), {}),
    "an array of anything": (filled(b"[1,", b"[],", b"[]]"), {}),
    "what no target holds": (filled(b'{"a":["\\u0000",', b"[],", b"[]]}"), {}),
    "broken at its end": (
        filled(b'{"a":[', b"[],", b"[]]"),
        {"on_parse_error": "rescue"},
    ),
    "no number of the feed": (
        filled(b'{"a":[', b"[],", b"[]]}"),
        {"sequence": {"path": "$.n"}},
    ),
    "a huge number of the feed": (
        filled(b'{"n":[', b"[],", b"[]]}"),
        {"sequence": {"path": "$.n"}},
    ),
    "a record with a name": (
        filled(b'{"n":1,"a":[', b"[],", b"[]]}"),
        {"deduplicate": {"by": ["$.n"]}},
    ),
    "JSON in a string": (
        filled(b'{"a":"[', b"[],", b'[]]"}'),
        {"json_fields": ["$.a"]},
    ),
    "a declared array": (
        filled(b'{"a":[', b"1,", b"1]}"),
        {
            "schema": {
                "properties": {"a": {"type": "array", "items": {"type": "integer"}}}
            }
        },
    ),
}


@pytest.mark.parametrize("transport", ["websockets", "picows"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_message_takes_no_more_than_sixteen_times_its_size(
    shape: str, transport: str, tmp_path: Path
) -> None:
    message, given = SHAPES[shape]

    with serve_raw(opens(frame(message), frame(b'{"last":1}'))) as server:
        measured = run_for_peak(
            tmp_path,
            {
                "url": server.url,
                "max_messages": 2,
                "max_duration": 300,
                "buffer_bytes": BUFFER,
                "infer_messages": 1,
                "transport": transport,
                **given,
            },
        )
    assert measured < MOST
