"""What a log says of messages that cannot be read, and of paths that find nothing."""

from __future__ import annotations

import base64
import json
import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

import pytest

from tap_websocket.errors import FeedError, ParseError
from tests.support.raw import RawPeer, close_frame, frame, serve_raw
from tests.support.receive import receive
from tests.support.scripts import receive_messages

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = "hunter2-token"

PASSWORD = "pass word/+4"
FORMS: tuple[Callable[[str], str], ...] = (
    str,
    quote,
    quote_plus,
    lambda text: quote_plus(text).lower(),
    lambda text: base64.b64encode(text.encode()).decode(),
    lambda text: text.encode().hex().upper(),
)
"""In which a server may repeat what it was sent."""

pytestmark = pytest.mark.usefixtures("each_transport")


def sends(*frames: bytes) -> Callable[[RawPeer], Any]:
    async def script(peer: RawPeer) -> None:
        await peer.upgrade()
        await peer.send(*frames, close_frame(1000))
        await peer.wait()

    return script


def document(value: Any) -> bytes:
    return frame(json.dumps(value).encode())


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (
            frame(b'{"a": 1, oops}'),
            "a text message of 14 bytes is not valid JSON (",
        ),
        (frame(b'{"a": 1, oops}'), " at character 9)"),
        (
            frame(b'{"a": "\xff"}', opcode=2),
            "a binary message of 10 bytes is not valid UTF-8 at byte 7; ",
        ),
        (frame(b'["a" 1]', opcode=2), "a binary message of 7 bytes is not valid JSON"),
        (
            frame(b'{"a": 1}{"a": 2}'),
            (
                "a text message of 16 bytes is not valid JSON "
                "(Extra data at character 8); "
                'set record_separator: "" where documents follow each other, '
                "message_format: raw_string, or on_parse_error: skip"
            ),
        ),
        (
            frame(b'{"a": "' + b"x" * 600_000 + b'"}{"a": 2}'),
            '(Extra data at character 600009); set record_separator: "" where ',
        ),
    ],
)
def test_an_error_says_what_is_not_valid_and_where(sent: bytes, said: str) -> None:
    with serve_raw(sends(document({"a": 0}), sent)) as server:
        run = receive(url=server.url)
    assert isinstance(run.error, ParseError)
    assert said in str(run.error)
    assert "oops" not in str(run.error)
    assert [record["a"] for record in run.records] == [0]


@pytest.mark.parametrize("on_parse_error", ["skip", "rescue"])
def test_a_skipped_message_is_explained_without_its_content(
    on_parse_error: str, caplog: pytest.LogCaptureFixture
) -> None:
    with serve_raw(sends(frame(b'{"a": oops}'))) as server:
        receive(url=server.url, on_parse_error=on_parse_error)
    (line,) = (text for text in caplog.messages if "could not be read" in text)
    assert line.startswith("A text message of 11 bytes could not be read and w")
    assert line.endswith("at character 6)")
    assert "oops" not in caplog.text


def test_the_beginning_shows_at_debug_level_with_secrets_masked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    body = b"\x1b[31m{" + SECRET.encode() + b"x" * 300 + b"END"
    with caplog.at_level(logging.DEBUG), serve_raw(sends(frame(body))) as server:
        receive(
            url=server.url,
            on_parse_error="skip",
            auth={"type": "bearer", "token": SECRET},
        )
    (line,) = (text for text in caplog.messages if "It begins with" in text)
    assert line.startswith("It begins with \\x1b[31m{****xxx")
    assert "END" not in caplog.text


def test_a_byte_order_mark_is_ignored() -> None:
    texts = (b'\xef\xbb\xbf{"a": 1}', b'{"a": 2}', b'\xef\xbb\xbf{"a": 3}')
    frames = [frame(text) for text in texts]
    binary = frame(texts[0], opcode=2)
    with serve_raw(sends(*frames, binary)) as server:
        run = receive(url=server.url)
    assert run.error is None
    assert [record["a"] for record in run.records] == [1, 2, 3, 1]


def test_a_byte_order_mark_stands_before_documents_that_follow_each_other() -> None:
    text = b'\xef\xbb\xbf{"a": 1}{"a": 2}'
    with serve_raw(sends(frame(text), frame(b" " + text[3:]))) as server:
        run = receive(url=server.url, record_separator="")
    assert run.error is None
    assert [record["a"] for record in run.records] == [1, 2, 1, 2]


def test_what_a_rule_calls_fatal_stays_on_one_line() -> None:
    text = b'{"error": "a\x7f"}\n\x1b[2J\x00' + "\u2028\u202e".encode()
    with serve_raw(sends(frame(text))) as server:
        run = receive(
            url=server.url,
            message_rules=[{"match": {"$regex": "error"}, "then": "fail"}],
        )
    assert isinstance(run.error, FeedError)
    assert str(run.error).isprintable()
    assert "\\n\\x1b[2J\\x00\\u2028\\u202e" in str(run.error)


def test_what_a_rule_calls_fatal_is_cut() -> None:
    with serve_raw(sends(frame(b"error" + b"x" * 5_000_000))) as server:
        run = receive(
            url=server.url,
            message_rules=[{"match": {"$regex": "^error"}, "then": "fail"}],
        )
    assert len(str(run.error)) < 700


ORDERS = [{"a": 1, "b": 2, "c": 3}, {"a": 4, "b": 5, "c": 6}]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$[*]", [1, 4]),
        (" $[0]", [1]),
        ("$[-1:]", [4]),
        ("$.[*]", [1, 4]),
        ("[*]", [1, 4]),
        ("[1]", [4]),
        ("['a']", None),
        ("$[?(@.a > 1)]", [4]),
        ("$", None),
        ("$['a']", None),
        (None, [1, 4]),
    ],
)
def test_a_path_with_brackets_looks_into_an_array(
    path: str | None, found: list[int] | None
) -> None:
    given: dict[str, Any] = {} if path is None else {"records_path": path}
    with serve_raw(sends(*[document(ORDERS)] * 20)) as server:
        run = receive(url=server.url, **given)
    assert run.error is None
    if found is not None:
        assert [record["a"] for record in run.records] == found * 20
    elif path == "$":
        assert len(run.records) == 20
    else:
        assert [record["data"] for record in run.records] == [1, 4] * 20


def test_a_path_that_found_nothing_is_named_at_the_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    messages = [document({"data": [{"a": 1}], "s": "x"})] * 3
    with serve_raw(sends(*messages)) as server:
        receive(
            url=server.url,
            records_path="$.data[*]",
            message_fields={"symbol": "$.s", "time": "$.tiem"},
        )
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    (line,) = warnings
    assert line.startswith("message_fields.time: the path matched in no document")


def test_a_records_path_that_found_nothing_is_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with serve_raw(sends(document({"data": [{"a": 1}]}))) as server:
        run = receive(url=server.url, records_path="$.dta[*]")
    assert not run.records
    assert any(text.startswith("records_path: ") for text in caplog.messages)


def test_paths_of_a_feed_that_sent_nothing_are_not_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with serve_raw(sends()) as server:
        receive(url=server.url, records_path="$.data[*]")
    assert not [r for r in caplog.records if r.levelno == logging.WARNING]


CAFE = b'{"name": "caf\xe9"}'


@pytest.mark.parametrize(
    ("on_parse_error", "rescued"), [("skip", []), ("rescue", [CAFE])]
)
def test_a_text_that_is_not_utf8_drops_no_connection(
    on_parse_error: str, rescued: list[bytes]
) -> None:
    good = [document({"name": name}) for name in ("a", "ü", "b", "c")]
    frames = (good[0], frame(CAFE), good[1], frame(CAFE[:9], fin=False))
    rest = (frame(CAFE[9:], opcode=0), good[2], good[3])
    with serve_raw(sends(*frames, *rest)) as server:
        run = receive(url=server.url, on_parse_error=on_parse_error, infer_messages=1)
    assert run.error is None
    names = [record["name"] for record in run.records if record.get("name")]
    assert names == ["a", "ü", "b", "c"]
    texts = [
        base64.b64decode(json.loads(record["_rescued_data"])["_message_base64"])
        for record in run.records
        if record.get("_rescued_data")
    ]
    assert texts == rescued * 2
    assert run.counts.skipped == (2 if on_parse_error == "skip" else 0)


@pytest.mark.parametrize("message_format", ["raw_string", "json"])
def test_one_document_of_several_may_be_no_utf8(message_format: str) -> None:
    payload = b'{"n":1}\n{"n":"\xe9"}\n{"n":2}'
    with serve_raw(sends(frame(payload))) as server:
        run = receive(
            url=server.url,
            on_parse_error="skip",
            record_separator="\n",
            message_format=message_format,
        )
    assert run.error is None
    assert len(run.records) == 2
    assert run.counts.skipped == 1


@pytest.mark.parametrize(
    "given", [{}, {"message_format": "binary", "on_parse_error": "skip"}]
)
def test_a_text_that_is_not_utf8_is_a_violation_otherwise(
    given: dict[str, Any],
) -> None:
    with serve_raw(sends(document({"a": 1}), frame(CAFE))) as server:
        run = receive(url=server.url, **given)
        (peer,) = server.peers
    assert "a text message is not valid UTF-8" in str(run.error)
    assert peer.close_code == 1007
    assert len(run.records) == 1


@pytest.mark.parametrize("said", FORMS)
def test_a_secret_of_a_subscribe_message_that_is_repeated_is_masked(
    said: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    async def script(peer: RawPeer) -> None:
        await peer.upgrade()
        login = json.loads((await peer.recv())[1])
        await peer.send(document({"error": f"not for {said(login['password'])}!"}))
        await peer.wait()

    with caplog.at_level(logging.DEBUG), serve_raw(script) as server:
        run = receive(
            url=server.url,
            subscribe_messages=[{"message": {"op": "login", "password": PASSWORD}}],
            message_rules=[{"match": {"error": {"$exists": True}}, "then": "fail"}],
        )
    assert isinstance(run.error, FeedError)
    assert "not for ****!" in str(run.error)


@pytest.mark.parametrize("count", [1, 300])
@pytest.mark.parametrize(
    "given",
    [
        {},
        {"message_rules": [{"match": {"v": 5}, "then": "ignore"}]},
        {"message_rules": [{"match": {"n": 0}, "capture": {"last": "$.v"}}]},
        {"sequence": {"path": "$.v"}},
        {"sequence": {"path": "$.n", "by": ["$.v"]}, "record_metadata": True},
    ],
    ids=["plain", "rule", "capture", "number", "by"],
)
def test_an_exponent_out_of_range_is_what_cannot_be_read(
    given: dict[str, Any], count: int
) -> None:
    messages = [f'{{"n": {n}, "v": 1.5}}' for n in range(count)]
    odd = f'{{"n": 7, "v": 1e{"9" * 20}}}'
    run = receive_messages(*messages, odd, infer_messages=1, **given)
    assert isinstance(run.error, ParseError)
    assert "exponent that is out of range" in str(run.error)
    assert len(run.records) == count
    run = receive_messages(
        *messages, odd, *messages, infer_messages=1, on_parse_error="skip", **given
    )
    assert run.error is None
    assert run.counts.skipped == 1
    assert len(run.records) == 2 * count


@pytest.mark.parametrize("by", [["$.v"], ["$.n"]])
def test_an_exponent_out_of_range_in_a_record_that_is_compared(by: list[str]) -> None:
    odd = f'{{"n": 7, "v": 1e{"9" * 20}}}'
    given: dict[str, Any] = {"deduplicate": {"by": by}, "infer_messages": 1}
    run = receive_messages('{"n": 1, "v": 1}', '{"n": 2, "v": 2}', odd, **given)
    assert isinstance(run.error, ParseError)
    assert len(run.records) == 2
