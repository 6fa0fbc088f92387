"""The page path's way in: messages whose bytes, as the server sent them, are records.

A batch of messages is tested as a whole, in as few passes over its bytes as can be:
where the time of a message is a microsecond, a test for each of them is what costs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tap_websocket import jsontext
from tap_websocket.columns.names import DATA

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_websocket.columns.columns import Columns
    from tap_websocket.feed.inbound import Origin
    from tap_websocket.records.formats import Format

__all__ = ["CurrentFastPath", "FastPath"]

_to_json = msgspec.json.Encoder().encode
_DATA = _to_json(DATA)


class FastPath:
    """Turns messages into records without a look at each, where that is right.

    Args:
        message_format: Returns the JSON texts of messages.
        test: Raises for a JSON payload that is no record as it stands; None when there
            is no such test, or nothing to test.
        single_column: Each message lands whole in the column `data`.
        sequence: The column that numbers the records of a connection, if any.
    """

    def __init__(
        self,
        message_format: Format,
        test: Callable[[bytes], Any] | None,
        *,
        single_column: bool,
        sequence: str | None,
    ) -> None:
        self._format = message_format
        self._test = test
        self._single_column = single_column
        self._sequence = sequence

    def take(
        self,
        origin: Origin,
        payloads: list[bytes],
        added: Mapping[str, Any],
        *,
        binary: bool,
    ) -> list[bytes]:
        """Return the records of a batch of messages, each on one line.

        Args:
            origin: The connection; its sequence goes on.
            payloads: The messages.
            added: The columns that the tap adds, the sequence apart.
            binary: Whether the messages came in binary frames.

        Returns:
            One record for each message, up to the first that is not for here.
        """
        values = self._format.fast(payloads, self._test, binary=binary)
        if not values:
            return values
        if self._single_column:
            return self._wrapped(origin, values, added)
        return self.joined(origin, values, added)

    def joined(
        self, origin: Origin, values: list[bytes], added: Mapping[str, Any]
    ) -> list[bytes]:
        """Return each value, an object, with the added columns in front."""
        if not added and self._sequence is None:
            origin.sequence += len(values)
            return values
        head = jsontext.dumps(added)[1:-1]
        bodies = [_body(value) for value in values]
        if self._sequence is None:
            origin.sequence += len(values)
            return [b"{%b%b" % (head, body) for body in bodies]
        first, origin.sequence = origin.sequence + 1, origin.sequence + len(values)
        front = b"{" + (head and head + b",") + _to_json(self._sequence) + b":"
        numbered = enumerate(bodies, first)
        return [b"%b%d%b" % (front, number, body) for number, body in numbered]

    def _wrapped(
        self,
        origin: Origin,
        values: list[bytes],
        added: Mapping[str, Any],
    ) -> list[bytes]:
        """Return `{"data": value, …}` for each value."""
        tail = jsontext.dumps(added)[1:-1]
        if self._sequence is None:
            origin.sequence += len(values)
            end = b",%b}" % tail if tail else b"}"
            return [b"{%b:%b%b" % (_DATA, value, end) for value in values]
        first, origin.sequence = origin.sequence + 1, origin.sequence + len(values)
        middle = (tail and tail + b",") + _to_json(self._sequence) + b":"
        return [
            b"{%b:%b,%b%d}" % (_DATA, value, middle, number)
            for number, value in enumerate(values, first)
        ]


class CurrentFastPath:
    """The fast path for columns that may grow.

    Args:
        make: Makes the fast path of columns as they are; None where they have none.

    Attributes:
        path: The fast path; None where there is none now.
        version: Counts the changes of the columns; -1 before there are any.
    """

    def __init__(self, make: Callable[[Columns], FastPath | None]) -> None:
        self._make = make
        # Records to come before a test is compiled for columns that grew.
        self._until_made = 0
        self.path: FastPath | None = None
        self.version = -1

    def make_for(self, columns: Columns) -> None:
        """Compile the test of payloads for the columns as they are now."""
        self.version = columns.version
        self._until_made = 0
        self.path = self._make(columns)

    def follow(self, columns: Columns) -> None:
        """Follow columns that grew: they have their own test when they rest.

        A test takes as long as some records that are made to fit, for each column. To
        compile one for each of a thousand new columns would take a quarter of a minute.
        """
        if columns.version != self.version:
            self.version = columns.version
            self.path = None
            self._until_made = 1 + len(columns.schema["properties"]) // 4
        elif self._until_made:
            self._until_made -= 1
            if self._until_made == 0:
                self.make_for(columns)


def _body(value: bytes) -> bytes:
    """Return what comes behind an object's opening brace, behind other members."""
    rest = value.strip()[1:].lstrip()
    return rest if rest == b"}" else b"," + rest
