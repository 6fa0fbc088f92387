"""Singer messages on their way to stdout, a page at a time."""

from __future__ import annotations

import datetime as dt
import io
import json
import os
import select
import sys
from typing import TYPE_CHECKING

from singer_sdk.contrib.msgspec import MsgSpecWriter
from singer_sdk.singerlib import RecordMessage

from tap_websocket.errors import DeliveryError
from tap_websocket.singer.stdout import send_to_nowhere, unwritable
from tap_websocket.wording import counted

if TYPE_CHECKING:
    from singer_sdk.singerlib import Message

    from tap_websocket.delivery.pages import Page

__all__ = ["PageWriter", "why_over"]

_PENDING_BYTES = 64 * 1024
"""What a pipe of Linux holds, so that more would wait anyway."""


class PageWriter(MsgSpecWriter):
    """Writes messages to stdout without a flush for each, and pages in one piece.

    The stream flushes behind each page. Everything is written with `os.write`:
    CPython's buffered writer loses bytes of a large write that a signal interrupts
    (seen with 3.11.7).

    Attributes:
        target_is_gone: Whether the target has closed its end of the pipe.
    """

    def __init__(self) -> None:
        self.target_is_gone = False
        # Records that were handed to the target, or are pending.
        self._records = 0
        # Messages that were not written yet, as lines.
        self._pending = bytearray()

    def write_message(self, message: Message) -> None:
        """Write a message to stdout; a record is flushed with its page.

        Raises:
            DeliveryError: When the target went away.
        """
        self._records += isinstance(message, RecordMessage)
        self._pending += self.format_message(message)
        if len(self._pending) >= _PENDING_BYTES or not isinstance(
            message, RecordMessage
        ):
            self.flush()

    def write_page(self, stream: str, page: Page) -> None:
        """Write a page of records as RECORD messages, and flush.

        Args:
            stream: The stream's name.
            page: The records, each on a line of its own.

        Raises:
            DeliveryError: When the target went away.
        """
        self.flush()
        seconds, nanoseconds = divmod(page.received_at, 1_000_000_000)
        extracted = dt.datetime.fromtimestamp(seconds, dt.UTC).replace(
            microsecond=nanoseconds // 1000,
        )
        prefix = b'{"type":"RECORD","stream":%s,"record":' % json.dumps(stream).encode()
        suffix = b',"time_extracted":"%s"}\n' % extracted.isoformat().encode()
        between = suffix + prefix
        self._records += page.count
        for chunk in page.chunks:
            self._write(b"".join((prefix, chunk.replace(b"\n", between), suffix)))

    def flush(self) -> None:
        """Hand everything written to the target.

        Raises:
            DeliveryError: When the target went away.
        """
        pending, self._pending = self._pending, bytearray()
        self._write(pending)

    def check_target(self) -> None:
        """Raise if the target has gone away while there is nothing to write.

        Raises:
            DeliveryError: When it went away.
        """
        descriptor = _descriptor()
        if descriptor is None:
            return
        poll = select.poll()
        poll.register(descriptor, 0)
        if any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0)):
            raise self._gone(descriptor)

    def _write(self, data: bytes | bytearray) -> None:
        """Write all of the data, whatever interrupts.

        Raises:
            DeliveryError: When the target went away, or a disk is full.
        """
        sys.stdout.flush()
        descriptor = _descriptor()
        if descriptor is None:
            sys.stdout.buffer.write(data)
            return
        try:
            _write_all(descriptor, data)
        except BrokenPipeError as error:
            raise self._gone(descriptor) from error
        except OSError as error:
            raise unwritable(error) from error

    def _gone(self, descriptor: int) -> DeliveryError:
        """Return the error, with stdout sent to nowhere."""
        self.target_is_gone = True
        send_to_nowhere(descriptor)
        # What was in the pipe was handed on, and not read.
        handed = counted(self._records, "record was", "records were")
        return DeliveryError(
            f"the target went away (its end of the pipe is closed) when {handed} "
            "handed to it, of which the last may be lost; nothing more is written: "
            "see the target's log"
        )


def why_over(writer: PageWriter | None) -> str:
    """Return why a run is ended that would have gone on, in a few words.

    Args:
        writer: What wrote its records; None where the SDK did.
    """
    if writer is not None and writer.target_is_gone:
        return "the target closed the pipe"
    return "no more records are taken"


def _descriptor() -> int | None:
    """Return the file descriptor of stdout, or None when it is no file."""
    try:
        return sys.stdout.fileno()
    except (AttributeError, io.UnsupportedOperation):
        return None


def _write_all(descriptor: int, data: bytes | bytearray) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:
            # stdout is non-blocking: wait until it can be written.
            select.select([], [descriptor], [])
