"""What is written to stdout: whole lines, whatever the pipe does."""

from __future__ import annotations

import contextlib
import json
import os
import select
import sys
import threading
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from singer_sdk.singerlib import RecordMessage, SchemaMessage

from tap_websocket.delivery.pages import Page
from tap_websocket.errors import DeliveryError
from tap_websocket.singer.writer import PageWriter

if TYPE_CHECKING:
    from collections.abc import Iterator

AT = 1_700_000_000_123_456_789


@contextlib.contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    """Put a pipe in the place of stdout; its ends to read and to write."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with (
        open(writing, "w", closefd=False) as stdout,
        mock.patch.object(sys, "stdout", stdout),
    ):
        yield reading, writing
    for descriptor in (reading, writing):
        os.close(descriptor)


def lines(data: bytes) -> list[dict[str, Any]]:
    assert data.endswith(b"\n")
    return [json.loads(line) for line in data.splitlines()]


def test_a_page_becomes_record_messages() -> None:
    page = Page((b'{"a":1}\n{"a":2}', b'{"a":3}'), 3, {}, AT)
    with pipe() as (reading, _):
        PageWriter().write_page('a "stream"', page)
        found = lines(os.read(reading, 65536))
    assert [message["record"] for message in found] == [{"a": 1}, {"a": 2}, {"a": 3}]
    assert found[0] == {
        "type": "RECORD",
        "stream": 'a "stream"',
        "record": {"a": 1},
        "time_extracted": "2023-11-14T22:13:20.123456+00:00",
    }


def test_a_record_waits_for_its_page_and_a_schema_does_not() -> None:
    writer = PageWriter()
    with pipe() as (reading, _):
        writer.write_message(RecordMessage(stream="s", record={"a": 1}))
        with pytest.raises(BlockingIOError):
            os.read(reading, 65536)
        writer.write_message(SchemaMessage(stream="s", schema={"properties": {}}))
        kinds = [message["type"] for message in lines(os.read(reading, 65536))]
        assert kinds == ["RECORD", "SCHEMA"]
        writer.write_message(RecordMessage(stream="s", record={"a": 2}))
        writer.flush()
        assert lines(os.read(reading, 65536))[0]["record"] == {"a": 2}


def test_a_full_pipe_that_does_not_block_is_waited_for() -> None:
    page = Page((b'{"a":"%s"}' % (b"x" * 300_000),) * 3, 3, {}, AT)
    read = bytearray()
    with pipe() as (reading, writing):
        os.set_blocking(writing, False)

        def reader() -> None:
            while read.count(b"\n") < 3 and select.select([reading], [], [], 20)[0]:
                read.extend(os.read(reading, 10_000))

        thread = threading.Thread(target=reader)
        thread.start()
        PageWriter().write_page("s", page)
        thread.join(60)
    sizes = [len(message["record"]["a"]) for message in lines(bytes(read))]
    assert sizes == [300_000] * 3


def test_a_target_that_went_away_is_an_error() -> None:
    reading, writing = os.pipe()
    with (
        open(writing, "w") as stdout,  # noqa: PTH123 - a descriptor
        mock.patch.object(sys, "stdout", stdout),
    ):
        writer = PageWriter()
        writer.check_target()
        writer.write_page("s", Page((b'{"a":1}\n{"a":2}',), 2, {}, AT))
        writer.write_message(RecordMessage(stream="s", record={"a": 3}))
        os.close(reading)
        with pytest.raises(DeliveryError, match="the target went away") as caught:
            writer.check_target()
        assert "when 3 records were handed to it" in str(caught.value)
        assert "see the target's log" in str(caught.value)
        assert writer.target_is_gone
        # What is written behind it goes nowhere, and fails no more.
        writer.write_message(SchemaMessage(stream="s", schema={"properties": {}}))


def test_stdout_that_is_no_file_is_written_to(
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    writer = PageWriter()
    writer.write_page("s", Page((b'{"a":1}',), 1, {}, AT))
    writer.check_target()
    assert lines(capsysbinary.readouterr().out)[0]["record"] == {"a": 1}


def test_a_full_disk_is_an_error() -> None:
    with (
        open("/dev/full", "w") as stdout,  # noqa: PTH123 - a device
        mock.patch.object(sys, "stdout", stdout),
    ):
        writer = PageWriter()
        with pytest.raises(DeliveryError, match=r"cannot be written \(No space left"):
            writer.write_page("s", Page((b'{"a":1}',), 1, {}, AT))
