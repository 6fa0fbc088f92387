"""The message formats: how a document's bytes become a value.

Each format is an object, chosen once (`format_of`); nothing else compares their names.
"""

from __future__ import annotations

import base64
import collections
import itertools
import operator
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from tap_websocket import jsontext
from tap_websocket.columns import payload_check
from tap_websocket.errors import ConfigError, ParseError
from tap_websocket.expressions.pattern import JSON_GROUP
from tap_websocket.largejson import parsing
from tap_websocket.records.payloads import encode_binary, is_utf8
from tap_websocket.settings.message_format import STRUCTURED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_websocket.jsontext import JsonValue
    from tap_websocket.records.payloads import Read
    from tap_websocket.settings import DecodingSettings
    from tap_websocket.settings.message_format import MessageFormat

    Groups = Mapping[str, str | None]

__all__ = ["Format", "codec_of", "format_of", "read_json"]

_BREAKS = (b"\n", b"\r")
_to_json = msgspec.json.Encoder().encode


class Format(Protocol):
    """How a document's bytes become a value."""

    def text(self, document: bytes) -> str | None:
        """Return a document's text, or None where it has none.

        Raises:
            ParseError: When it must have one.
        """

    def value(self, document: bytes, text: str | None, groups: Groups) -> JsonValue:
        """Return a document's value.

        Args:
            document: What was sent.
            text: Its text.
            groups: The groups of `message_pattern`; empty without one.

        Raises:
            ParseError: When it is not what the format says.
        """

    def fast(
        self,
        payloads: list[bytes],
        test: Callable[[bytes], Any] | None,
        *,
        binary: bool,
    ) -> list[bytes]:
        """Return the JSON texts of messages that are one document each.

        Args:
            payloads: The messages.
            test: Raises for a JSON payload that is no record as it stands (see
                `Columns.decoder`).
            binary: Whether the messages came in binary frames.

        Returns:
            One text on one line for each message, up to the first that has none or
            that the test refuses.
        """


class Json:
    """`json`: a document is one JSON value."""

    def text(self, document: bytes) -> str:
        """Return a document's text."""
        return _utf8(document)

    def value(self, document: bytes, text: str | None, groups: Groups) -> JsonValue:
        """Return the parsed document, or the parsed group `json` of it."""
        del text
        part = groups.get(JSON_GROUP)
        try:
            return parsing.parse(document if part is None else part)
        except jsontext.InvalidJson as error:
            problem = f"is not valid JSON ({error})"
            split = ""
            if part is None and error.problem == jsontext.EXTRA_DATA:
                split = 'record_separator: "" where documents follow each other, '
            raise _unreadable(document, problem, "raw_string", split) from error

    def fast(
        self,
        payloads: list[bytes],
        test: Callable[[bytes], Any] | None,
        *,
        binary: bool,
    ) -> list[bytes]:
        """Return the messages, tested as a whole in few passes over their bytes.

        Where the time of a message is a microsecond, one more test for each costs.
        """
        if test is None or not payloads:
            return []
        joined = b"".join(payloads)
        if binary and not joined.isascii():
            payloads = list(itertools.takewhile(is_utf8, payloads))
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


def read_json(document: bytes) -> JsonValue:
    """Return the value of a JSON document.

    Raises:
        ParseError: When it cannot be read.
    """
    return Json().value(document, None, {})


class RawString:
    """`raw_string`: a document is a text, or the groups that a pattern finds in it."""

    def text(self, document: bytes) -> str:
        """Return a document's text."""
        return _utf8(document)

    def value(self, document: bytes, text: str | None, groups: Groups) -> JsonValue:
        """Return the text, or the groups that `message_pattern` found in it."""
        del document
        return groups or text

    def fast(
        self,
        payloads: list[bytes],
        test: Callable[[bytes], Any] | None,
        *,
        binary: bool,
    ) -> list[bytes]:
        """Return the texts as JSON strings; NUL is for the slow path."""
        del test
        joined = b"".join(payloads)
        if binary and not joined.isascii():
            payloads = list(itertools.takewhile(is_utf8, payloads))
        if b"\0" in joined:
            payloads = list(itertools.takewhile(_has_no_nul, payloads))
        return [_to_json(payload.decode()) for payload in payloads]


class Binary:
    """`binary`: a document is the base64 of its bytes."""

    def text(self, document: bytes) -> str | None:
        """Return a document's text, or None for what is no UTF-8."""
        try:
            return document.decode()
        except UnicodeDecodeError:
            return None

    def value(self, document: bytes, text: str | None, groups: Groups) -> str:
        """Return the base64 of a document (RFC 4648, section 4)."""
        del text, groups
        return encode_binary(document)

    def fast(
        self,
        payloads: list[bytes],
        test: Callable[[bytes], Any] | None,
        *,
        binary: bool,
    ) -> list[bytes]:
        """Return the base64 of the messages as JSON strings."""
        del test, binary
        return [b'"%b"' % base64.b64encode(payload) for payload in payloads]


_FORMATS: dict[str, Format] = {
    # Binary messages of those that are not JSON become it first (`codec_of`).
    **dict.fromkeys(STRUCTURED, Json()),
    "raw_string": RawString(),
    "binary": Binary(),
}


def format_of(name: MessageFormat) -> Format:
    """Return the format that `message_format` names."""
    return _FORMATS[name]


def codec_of(settings: DecodingSettings) -> Read | None:
    """Return what makes JSON of a binary message; None where it is left as it is.

    Raises:
        ConfigError: When the Protobuf type cannot be read.
    """
    match settings.message_format:
        case "msgpack":
            from tap_websocket.records.codecs.msgpack import (  # noqa: PLC0415 - rare
                msgpack_to_json,
            )

            return msgpack_to_json
        case "cbor":
            from tap_websocket.records.codecs.cbor import (  # noqa: PLC0415 - optional
                cbor_to_json,
            )

            return cbor_to_json
    protobuf = settings.protobuf
    if protobuf is None:
        return None
    from tap_websocket.records.codecs.protobuf import (  # noqa: PLC0415 - optional
        ProtobufReader,
    )

    try:
        reader = ProtobufReader(protobuf.descriptor_file, protobuf.message_type)
    except ValueError as error:
        raise ConfigError([f"protobuf.{error}"]) from error
    return reader.to_json


def _utf8(document: bytes) -> str:
    try:
        return document.decode()
    except UnicodeDecodeError as error:
        problem = f"is not valid UTF-8 at byte {error.start}"
        raise _unreadable(document, problem, "binary") from error


def _unreadable(
    document: bytes, problem: str, other_format: str, first: str = ""
) -> ParseError:
    advice = f"set {first}message_format: {other_format}, or on_parse_error: skip"
    return ParseError(problem, size=len(document), advice=advice)


def _has_no_nul(payload: bytes) -> bool:
    return b"\0" not in payload


def _is_sure(payload: bytes) -> bool:
    return not payload_check.needs_slow_path(payload)
