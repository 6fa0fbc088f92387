"""The feed's own compression: messages that are compressed alone, and streams."""

from __future__ import annotations

import gzip
import sys
import tracemalloc
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_websocket.errors import ParseError
from tap_websocket.records.decompression import (
    PayloadTooBig,
    StreamBroken,
    ZstdMissing,
    is_stream,
    make_decompress,
)

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_websocket.settings.decoding import Compression

_ALONE: tuple[Compression, ...] = ("gzip", "zlib", "deflate", "zstd")
_STREAMS: tuple[Compression, ...] = ("zlib_stream", "zstd_stream")


def _compress(kind: str, data: bytes) -> bytes:
    if kind == "gzip":
        return gzip.compress(data)
    if kind == "zlib":
        return zlib.compress(data)
    if kind == "zstd":
        return zstd.compress(data)
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflater.compress(data) + deflater.flush()


def _stream(kind: str) -> Callable[[bytes], bytes]:
    """Return what compresses the messages of one stream, as a server does."""
    if kind == "zlib_stream":
        deflater = zlib.compressobj()
        return lambda data: deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH)
    compressor: Any = zstd.ZstdCompressor()
    return lambda data: bytes(compressor.compress(data, compressor.FLUSH_BLOCK))


@given(st.sampled_from(_ALONE), st.binary(max_size=300))
def test_a_message_comes_back(kind: Compression, data: bytes) -> None:
    assert make_decompress(kind, len(data) or 1)(_compress(kind, data)) == data


@given(st.sampled_from(_ALONE), st.binary(min_size=1, max_size=300))
def test_a_message_over_the_limit_is_refused(kind: Compression, data: bytes) -> None:
    with pytest.raises(PayloadTooBig, match="max_message_bytes"):
        make_decompress(kind, len(data) - 1)(_compress(kind, data))


@given(st.sampled_from(_ALONE + _STREAMS), st.binary(max_size=60))
def test_other_bytes_are_a_parse_error(kind: Compression, data: bytes) -> None:
    try:
        make_decompress(kind, 1000)(data)
    except ParseError as error:
        assert "payload_compression" in str(error)  # noqa: PT017 - some bytes are data


@pytest.mark.parametrize("kind", _ALONE)
def test_a_truncated_message_is_a_parse_error(kind: Compression) -> None:
    whole = _compress(kind, b'{"a": 1}')
    for end in range(len(whole)):
        with pytest.raises(ParseError, match=r"ends too early|frame descriptor"):
            make_decompress(kind, 1000)(whole[:end])


@pytest.mark.parametrize(("kind", "bits"), [("deflate", -15), ("zlib", 15)])
def test_a_message_that_ends_with_a_sync_flush_is_whole(
    kind: Compression, bits: int
) -> None:
    for data in (b"", b'{"a": 1}', b"x" * 5000):
        deflater = zlib.compressobj(wbits=bits)
        flushed = deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH)
        assert make_decompress(kind, 5000)(flushed) == data
        with pytest.raises(ParseError, match="ends too early"):
            make_decompress(kind, 5000)(flushed[:-1])


@pytest.mark.parametrize("kind", _ALONE)
def test_trailing_bytes_are_a_parse_error(kind: Compression) -> None:
    with pytest.raises(ParseError, match="payload_compression"):
        make_decompress(kind, 1000)(_compress(kind, b"{}") + b"!")


def test_all_members_have_the_limit_together() -> None:
    members = gzip.compress(b'{"a":') + gzip.compress(b"") + gzip.compress(b"1}")
    assert make_decompress("gzip", 7)(members) == b'{"a":1}'
    with pytest.raises(PayloadTooBig):
        make_decompress("gzip", 6)(members)


def test_endless_empty_members_are_refused() -> None:
    with pytest.raises(ParseError, match="more bytes follow"):
        make_decompress("gzip", 1000)(gzip.compress(b"") * 1001)


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_members_of_a_message_are_joined(kind: Compression) -> None:
    both = _compress(kind, b"[1") + _compress(kind, b",2]")
    assert make_decompress(kind, 10)(both) == b"[1,2]"


@given(st.sampled_from(_STREAMS), st.lists(st.binary(max_size=200), max_size=20))
def test_the_messages_of_a_stream_come_back(
    kind: Compression, sent: list[bytes]
) -> None:
    compress, decompress = _stream(kind), make_decompress(kind, 200)
    assert [decompress(compress(data)) for data in sent] == sent


@pytest.mark.parametrize("kind", _STREAMS)
def test_later_messages_of_a_stream_need_the_earlier_ones(kind: Compression) -> None:
    text = b'{"symbol": "BTCUSDT", "price": "104203.17"}' * 5
    compress = _stream(kind)
    first, second = compress(text), compress(text)
    assert len(second) < len(first)
    decompress = make_decompress(kind, 1000)
    assert [decompress(first), decompress(second)] == [text, text]
    with pytest.raises(StreamBroken):
        make_decompress(kind, 1000)(second)


@pytest.mark.parametrize("kind", _STREAMS)
def test_a_broken_stream_stays_broken(kind: Compression) -> None:
    decompress = make_decompress(kind, 1000)
    with pytest.raises(StreamBroken, match=kind):
        decompress(b"no such stream")
    with pytest.raises(StreamBroken, match="broke before"):
        decompress(_stream(kind)(b"[]"))


@pytest.mark.parametrize("kind", _STREAMS)
def test_each_message_of_a_stream_has_the_limit(kind: Compression) -> None:
    compress, decompress = _stream(kind), make_decompress(kind, 100)
    for _ in range(5):
        assert decompress(compress(b"x" * 100)) == b"x" * 100
    with pytest.raises(PayloadTooBig, match="over 100 bytes"):
        decompress(compress(b"x" * 101))


@pytest.mark.parametrize("kind", _STREAMS)
def test_a_second_stream_may_begin_on_a_connection(kind: Compression) -> None:
    decompress = make_decompress(kind, 100)
    whole = zlib.compress if kind == "zlib_stream" else zstd.compress
    assert decompress(whole(b"one") + whole(b"two")) == b"onetwo"
    assert decompress(whole(b"three")) == b"three"


@pytest.mark.parametrize("kind", _ALONE + _STREAMS)
def test_a_bomb_takes_no_more_than_the_limit(kind: Compression) -> None:
    bomb = _compress(kind.removesuffix("_stream"), b"\0" * 50_000_000)
    decompress = make_decompress(kind, 1_000_000)
    tracemalloc.start()
    with pytest.raises(PayloadTooBig):
        decompress(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4_000_000


def test_no_compression_is_no_work() -> None:
    payload = b"{}"
    assert make_decompress("none", 1)(payload) is payload


def test_streams_are_known() -> None:
    assert [kind for kind in (*_ALONE, *_STREAMS) if is_stream(kind)] == list(_STREAMS)


@pytest.mark.parametrize("kind", ["zstd", "zstd_stream"])
def test_a_missing_extra_is_named(
    kind: Compression, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("backports", "backports.zstd", "compression"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ZstdMissing, match=r"pip install 'tap-websocket\[zstd\]'"):
        make_decompress(kind, 1)
