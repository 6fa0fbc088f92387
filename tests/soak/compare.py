"""What arrived, held against what the server sent."""

from __future__ import annotations

import base64
import collections
import dataclasses
import json
import math
import re
from decimal import Decimal, DecimalTuple
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = ["Form", "Sent", "differences"]

Form = Literal["columns", "data", "envelope", "raw_string", "binary"]
"""How a message becomes a record: its fields are columns, or it lies in `data`."""

_TAPS_OWN = (
    "_received_at",
    "_connection",
    "_sequence",
    "_missing",
    "_outage_seconds",
    "received_at",
    "url",
)
_RESCUED = "_rescued_data"
_BAD_TEXT = re.compile("[\x00\ud800-\udfff]")
_SHOWN = 300

Document = Any


@dataclasses.dataclass
class Sent:
    """What the server sent on one connection.

    Attributes:
        number: The server's number of the connection.
        feed: The context that it belongs to.
        messages: The complete messages, in order.
        complete: Whether all of them must have arrived; else a prefix of them.
        fault: How the server ended it, or empty.
    """

    number: int
    feed: str
    messages: list[bytes] = dataclasses.field(default_factory=list)
    complete: bool = False
    fault: str = ""


class _Connection:
    """What is still to come of one connection."""

    def __init__(self, sent: Sent, form: Form) -> None:
        self.sent = sent
        self.form = form
        self.taken = 0
        self._coming = documents(sent.messages, form)

    def expect(self) -> Document:
        self.taken += 1
        return next(self._coming, _END)

    def __str__(self) -> str:
        sent = self.sent
        return (
            f"the server's connection {sent.number} ({sent.feed}), record {self.taken}"
        )

    def position(self, found: Document) -> int | None:
        """Return where in the connection a document stands, from 1."""
        every = documents(self.sent.messages, self.form)
        return next((at for at, item in enumerate(every, 1) if item == found), None)


_END = object()


def differences(
    sent: Sequence[Sent],
    lines: Iterable[bytes],
    form: Form,
    *,
    cut: bool = False,
) -> Iterator[str]:
    """Say what is lost, doubled, out of order or changed; nothing when all is well.

    Args:
        sent: Each connection of the run.
        lines: The Singer messages that arrived, one a line.
        form: How messages become records.
        cut: The last line may have been cut short.
    """
    every = [_Connection(one, form) for one in sent]
    waiting: dict[str, list[_Connection]] = collections.defaultdict(list)
    for connection in every:
        waiting[connection.sent.feed].append(connection)
    known: dict[int, _Connection] = {}
    schema: Mapping[str, Any] = {}
    for line in lines:
        if not line.endswith(b"\n"):
            if not cut:
                yield f"the last line is cut short: {_shown(line)}"
            break
        message = _parse(line)
        if message["type"] == "SCHEMA":
            schema = message["schema"]["properties"]
        elif message["type"] == "RECORD":
            difference = _take(message["record"], schema, waiting, known)
            if difference:
                yield difference
                return
    for connection in every:
        if connection.sent.complete and connection.expect() is not _END:
            yield f"{connection} is lost, and all that was sent behind it"


def _take(
    record: Mapping[str, Any],
    schema: Mapping[str, Any],
    waiting: Mapping[str, list[_Connection]],
    known: dict[int, _Connection],
) -> str:
    """Hold a record against its connection; return the difference, if any."""
    number, sequence, feed = record["_connection"], record["_sequence"], record["feed"]
    found = _restore(record, schema)
    connection = known.get(int(number))
    if connection is None:
        connection = _first(waiting[feed], found)
        if connection is None:
            where = f"record {sequence} of connection {number} ({feed})"
            return f"{where} begins no connection: {_shown(found)}"
        known[int(number)] = connection
    expected = connection.expect()
    if expected != found:
        return _difference(connection, expected, found)
    if int(sequence) != connection.taken or feed != connection.sent.feed:
        return f"{connection}: a wrong _sequence or context: {_shown(record)}"
    return ""


def documents(messages: Iterable[bytes], form: Form) -> Iterator[Document]:
    """Yield the documents of messages, as they have to come back."""
    for message in messages:
        if form == "binary":
            yield {"data": base64.b64encode(message).decode()}
            continue
        if form == "raw_string":
            yield {"data": message.decode()}
            continue
        try:
            document = _parse(message)
        except ValueError:
            continue
        objects = isinstance(document, list) and all(
            isinstance(item, dict) for item in document
        )
        if form == "data":
            if document != []:
                yield _filled({"data": document})
            continue
        for item in document if objects else [document]:
            if form == "envelope":
                yield {"data": item if _is_holdable(item) else _Text(item)}
            elif not isinstance(item, dict):
                yield _filled({"data": item})
            else:
                yield _filled(item)


def _restore(record: Mapping[str, Any], schema: Mapping[str, Any]) -> Document:
    """Return the document that a record was made of (docs/columns.md)."""
    fields = {}
    for name, value in record.items():
        if name in _TAPS_OWN or name in {"feed", _RESCUED}:
            continue
        if isinstance(value, str) and "contentMediaType" in schema.get(name, {}):
            fields[name] = _told(value)
        else:
            fields[name] = value
    rescued = record.get(_RESCUED)
    if rescued is not None:
        fields |= _parse(rescued)
    return _filled(fields)


def _told(text: str) -> Any:
    try:
        return _parse(text)
    except ValueError:
        return text


def _filled(fields: Mapping[str, Any]) -> Document:
    """Leave nulls out: a column without a value is null."""
    return {name: value for name, value in fields.items() if value is not None}


def _parse(text: str | bytes) -> Any:
    """Parse JSON with every digit: `1`, `1.0` and `true` are three things."""
    return json.loads(
        text,
        parse_int=_Integer,
        parse_float=lambda digits: Decimal(digits).as_tuple(),
        parse_constant=_refuse,
    )


class _Integer(str):
    """An integer as it is written, equal to no text."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Integer) and str.__eq__(self, other)

    __hash__ = str.__hash__


class _Text:
    """A value that is written as its JSON text, since no target can hold it."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __eq__(self, other: object) -> bool:
        return type(other) is str and bool(_told(other) == self._value)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"the text of {self._value!r}"


def _is_holdable(value: Any) -> bool:
    """Return whether every target can hold a value (docs/columns.md)."""
    if isinstance(value, _Integer):
        return -(2**63) <= int(value) < 2**63
    if isinstance(value, str):
        return not _BAD_TEXT.search(value)
    if isinstance(value, DecimalTuple):
        return math.isfinite(float(Decimal(value)))  # type: ignore[arg-type]
    if isinstance(value, dict):
        return all(_is_holdable(part) for item in value.items() for part in item)
    if isinstance(value, list):
        return all(map(_is_holdable, value))
    return True


def _refuse(name: str) -> None:
    raise ValueError(name)


def _first(waiting: list[_Connection], found: Document) -> _Connection | None:
    """Find the connection that begins with a document, and let it wait no more."""
    for connection in waiting:
        if next(documents(connection.sent.messages, connection.form), _END) == found:
            waiting.remove(connection)
            return connection
    return None


def _difference(connection: _Connection, expected: Document, found: Document) -> str:
    place = connection.position(found)
    if place is None:
        what = "is changed, or was never sent"
    elif place < connection.taken:
        what = f"came again, or too late (it is record {place})"
    else:
        what = f"came too early (it is record {place}): what is before it is lost"
    wanted = "nothing" if expected is _END else _shown(expected)
    return f"{connection}: {_shown(found)} {what}; expected was {wanted}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
