"""Singer messages on their way to stdout, a page at a time."""

from __future__ import annotations

import datetime as dt
import json
import os
import select
import sys
from typing import TYPE_CHECKING

from singer_sdk.contrib.msgspec import MsgSpecWriter
from singer_sdk.singerlib import RecordMessage

from tap_websocket.errors import DeliveryError

if TYPE_CHECKING:
    from singer_sdk.singerlib import Message

    from tap_websocket.pages import Page

__all__ = ["PageWriter"]

_GONE = "the target went away (its end of the pipe is closed); nothing more is written"


class PageWriter(MsgSpecWriter):
    """Writes messages without a flush for each, and pages in one piece.

    Whoever writes flushes: the stream does at the end of each page.
    """

    def write_message(self, message: Message) -> None:
        """Write a message to stdout; a record is flushed with its page.

        Raises:
            DeliveryError: When the target went away.
        """
        self._write(self.format_message(message))
        if not isinstance(message, RecordMessage):
            self.flush()

    def write_page(self, stream: str, page: Page) -> None:
        """Write a page of records as RECORD messages, and flush.

        Args:
            stream: The stream's name.
            page: The records, each on a line of its own.

        Raises:
            DeliveryError: When the target went away.
        """
        seconds, nanoseconds = divmod(page.received_at, 1_000_000_000)
        extracted = dt.datetime.fromtimestamp(seconds, dt.UTC).replace(
            microsecond=nanoseconds // 1000,
        )
        prefix = b'{"type":"RECORD","stream":%s,"record":' % json.dumps(stream).encode()
        suffix = b',"time_extracted":"%s"}\n' % extracted.isoformat().encode()
        between = suffix + prefix
        for chunk in page.chunks:
            self._write(prefix + chunk.replace(b"\n", between) + suffix)
        self.flush()

    def flush(self) -> None:
        """Hand everything written to the target.

        Raises:
            DeliveryError: When the target went away.
        """
        try:
            sys.stdout.buffer.flush()
        except BrokenPipeError as error:
            raise _gone() from error

    def check_target(self) -> None:
        """See whether the target is still there, while there is nothing to write.

        Raises:
            DeliveryError: When it went away.
        """
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        if any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0)):
            raise _gone()

    @staticmethod
    def _write(data: bytes | bytearray) -> None:
        try:
            sys.stdout.buffer.write(data)
        except BrokenPipeError as error:
            raise _gone() from error


def _gone() -> DeliveryError:
    """Return the error, and spare the interpreter's exit another broken pipe."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    return DeliveryError(_GONE)
