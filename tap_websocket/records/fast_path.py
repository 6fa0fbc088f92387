"""The page path's way in: messages whose bytes, as the server sent them, are records.

A batch of messages is tested as a whole, in as few passes over its bytes as can be:
where the time of a message is a microsecond, a test for each of them is what costs.
"""

from __future__ import annotations

import base64
import collections
import itertools
import operator
from typing import TYPE_CHECKING, Any

import msgspec

from tap_websocket import jsontext
from tap_websocket.columns import payload_check

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_websocket.feed.inbound import Origin

__all__ = ["FastPath"]

Batch = list[bytes]

_BREAKS = (b"\n", b"\r")
_to_json = msgspec.json.Encoder().encode


class FastPath:
    """Turns messages into records without a look at each, where that is right.

    Attributes:
        taken: Number of messages that came this way.
    """

    def __init__(
        self,
        test: Callable[[bytes], Any] | None,
        *,
        form: str,
        whole: bool,
        sequence: str | None,
    ) -> None:
        """Make a passage.

        Args:
            test: Raises for a JSON payload that is no record as it stands; None
                when there is no such test, or nothing to test.
            form: The `message_format`.
            whole: Each message lands whole in the column `data`.
            sequence: The column that numbers the records of a connection, if any.
        """
        self._test = test
        self._form = form
        self._whole = whole
        self._sequence = sequence
        self.taken = 0

    def take(
        self,
        source: Origin,
        payloads: Batch,
        added: Mapping[str, Any],
        *,
        binary: bool,
    ) -> Batch:
        """Return the records of a batch of messages, each on one line.

        Args:
            source: The connection; its sequence goes on.
            payloads: The messages.
            added: The columns that the tap adds, the sequence apart.
            binary: Whether the messages came in binary frames.

        Returns:
            One record for each message, up to the first that is not for here.
        """
        values = self._values(payloads, binary=binary)
        if not values:
            return values
        self.taken += len(values)
        if self._whole:
            return self._wrapped(source, values, added)
        if added or self._sequence:
            return self._joined(source, values, added)
        source.sequence += len(values)
        return values

    def _values(self, payloads: Batch, *, binary: bool) -> Batch:
        """Return the JSON texts of the messages, up to the first that has none."""
        if self._form == "binary":
            return [b'"%b"' % base64.b64encode(payload) for payload in payloads]
        joined = b"".join(payloads)
        if binary and not joined.isascii():
            payloads = list(itertools.takewhile(_is_utf8, payloads))
        if self._form == "raw_string":
            if b"\0" in joined:
                payloads = list(itertools.takewhile(_has_no_nul, payloads))
            return [_to_json(payload.decode()) for payload in payloads]
        return self._json(payloads, joined)

    def _json(self, payloads: Batch, joined: bytes) -> Batch:
        test = self._test
        if test is None or not payloads:
            return []
        if payload_check.any_may_need_slow_path(joined):
            payloads = list(itertools.takewhile(_is_sure, payloads))
        untested = iter(payloads)
        try:
            collections.deque(map(test, untested), maxlen=0)
        except (msgspec.MsgspecError, RecursionError):
            refused = len(payloads) - operator.length_hint(untested) - 1
            payloads = payloads[:refused]
        if any(mark in joined for mark in _BREAKS):
            # Inside of a JSON string a line break is escaped, so these are between
            # tokens, where one white space is as good as another.
            return [item.replace(b"\n", b" ").replace(b"\r", b" ") for item in payloads]
        return payloads

    def _wrapped(
        self,
        source: Origin,
        values: Batch,
        added: Mapping[str, Any],
    ) -> Batch:
        """Return `{"data": value, …}` for each value."""
        tail = jsontext.dumps(added)[1:-1]
        if self._sequence is None:
            source.sequence += len(values)
            end = b",%b}" % tail if tail else b"}"
            return [b'{"data":%b%b' % (value, end) for value in values]
        first, source.sequence = source.sequence + 1, source.sequence + len(values)
        middle = (tail and tail + b",") + _to_json(self._sequence) + b":"
        return [
            b'{"data":%b,%b%d}' % (value, middle, number)
            for number, value in enumerate(values, first)
        ]

    def _joined(self, source: Origin, values: Batch, added: Mapping[str, Any]) -> Batch:
        """Return each value, an object, with the added columns in front."""
        head = jsontext.dumps(added)[1:-1]
        bodies = [_body(value) for value in values]
        if self._sequence is None:
            source.sequence += len(values)
            return [b"{%b%b" % (head, body) for body in bodies]
        first, source.sequence = source.sequence + 1, source.sequence + len(values)
        front = b"{" + (head and head + b",") + _to_json(self._sequence) + b":"
        numbered = enumerate(bodies, first)
        return [b"%b%d%b" % (front, number, body) for number, body in numbered]


def _body(value: bytes) -> bytes:
    """Return what comes behind an object's opening brace, behind other members."""
    rest = value.strip()[1:].lstrip()
    return rest if rest == b"}" else b"," + rest


def _is_utf8(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


def _has_no_nul(payload: bytes) -> bool:
    return b"\0" not in payload


def _is_sure(payload: bytes) -> bool:
    return not payload_check.needs_slow_path(payload)
