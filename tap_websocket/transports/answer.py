"""The server's answer to the upgrade request, read and judged once for all libraries.

The libraries take different parts of what RFC 9112 lets a server send: one wants a
reason phrase, another no `Connection: keep-alive, Upgrade`, both take an interim answer
for the final one. So the answer is read here, and a library is given a plain one that
says the same (`Agreement.head`).
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING

import msgspec

from tap_websocket.network.errors import BadHandshake, HandshakeRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MAX_ANSWER_BYTES", "NO_DEFLATE", "Agreement", "AnswerReader"]

MAX_ANSWER_BYTES = 64 * 1024
"""Bound of an answer's head, interim answers included.

Far more than any cookie or policy header takes, and nothing beside a message.
"""

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""What the key is hashed with (RFC 6455, section 4.2.2)."""

_STATUS_LINE = re.compile(rb"HTTP/(1\.[01]) ([1-9]\d\d)(?: .*)?", re.DOTALL)
_BEGINNING = b"HTTP/1."
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_LONGEST_END = len(b"\r\n\r\n")
_FOLD = re.compile(rb"\r?\n[ \t]+")
_SWITCHING_PROTOCOLS = 101
_INTERIM = range(100, 200)
_DEFLATE = "permessage-deflate"
_NOT_HTTP = "the server's answer is not HTTP; does it speak WebSocket?"
_DISAGREES = "the server did not agree to the handshake: "
_OTHER_EXTENSION = "the server agreed to an extension that was not offered"
NO_DEFLATE = (
    f"{_OTHER_EXTENSION}: permessage-deflate with other parameters; set compression: "
    "false"
)

_Headers = dict[str, list[str]]


class Agreement(msgspec.Struct, frozen=True):
    """A server's consent to the upgrade.

    Attributes:
        head: A plain 101 answer that says the same, for a library to read.
        rest: What was read behind the answer: the beginning of the frames.
    """

    head: bytes
    rest: bytes


class AnswerReader:
    """Reads the answer of one handshake, in whatever pieces it comes.

    Args:
        key: The request's `Sec-WebSocket-Key`.
        subprotocols: The subprotocols offered.
        compression: permessage-deflate was offered.
    """

    def __init__(
        self,
        key: str,
        *,
        subprotocols: Sequence[str] = (),
        compression: bool = False,
    ) -> None:
        self._key = key
        self._subprotocols = subprotocols
        self._compression = compression
        # What was read and does not belong to an interim answer that is whole.
        self._data = bytearray()
        # Bytes of the interim answers that were skipped.
        self._skipped = 0
        # Where the end of the head may begin: what is before was searched.
        self._searched = 0
        # The status line that is being read is whole and is one.
        self._began = False

    def feed(self, data: bytes) -> Agreement | None:
        """Return the server's consent, or None until the answer's head is whole.

        Interim answers (1xx, RFC 9110, section 15.2) are skipped. A refusal is raised
        at the end of its head, whatever its body is.

        Raises:
            HandshakeRefused: When the status is another than 101.
            BadHandshake: When the answer is not HTTP, too long, or no valid consent.
        """
        self._data += data
        while (end := self._end()) is not None:
            head = bytes(self._data[: end.start()])
            del self._data[: end.end()]
            self._skipped += end.end()
            self._searched = 0
            self._began = False
            self._check_size(0)
            status, headers = _parse(head)
            if status == _SWITCHING_PROTOCOLS:
                return Agreement(self._agree(headers), bytes(self._data))
            if status not in _INTERIM:
                # Of a header that comes twice the first counts, as in browsers.
                first = {name: values[0] for name, values in headers.items()}
                raise HandshakeRefused(status, first, headers.get("set-cookie", ()))
        self._check_size(len(self._data))
        self._check_beginning()
        return None

    def _end(self) -> re.Match[bytes] | None:
        found = _END_OF_HEAD.search(self._data, self._searched)
        self._searched = max(0, len(self._data) - _LONGEST_END + 1)
        return found

    def _check_size(self, pending: int) -> None:
        if self._skipped + pending > MAX_ANSWER_BYTES:
            msg = (
                "the head of the server's answer is longer than "
                f"{MAX_ANSWER_BYTES // 1024} KiB"
            )
            raise BadHandshake(msg)

    def _check_beginning(self) -> None:
        """Fail as soon as it is certain that this is no HTTP: there may be no more."""
        if self._began:
            return
        line, newline, _ = bytes(self._data).partition(b"\n")
        if newline:
            _parse_status(line.removesuffix(b"\r"))
            self._began = True
        elif not line.startswith(_BEGINNING[: len(line)]):
            raise BadHandshake(_NOT_HTTP)

    def _agree(self, headers: _Headers) -> bytes:
        """Return a plain answer of the same meaning (RFC 6455, section 4.1).

        Raises:
            BadHandshake: When the server did not agree, or to what was not offered.
        """
        if _tokens(headers, "upgrade") != {"websocket"}:
            msg = f"{_DISAGREES}it has no header Upgrade: websocket"
            raise BadHandshake(msg)
        if "upgrade" not in _tokens(headers, "connection"):
            msg = f"{_DISAGREES}it has no header Connection: Upgrade"
            raise BadHandshake(msg)
        accept = _accept(self._key)
        if set(headers.get("sec-websocket-accept", ())) != {accept}:
            msg = f"{_DISAGREES}its Sec-WebSocket-Accept is wrong"
            raise BadHandshake(msg)
        lines = [
            "HTTP/1.1 101 Switching Protocols",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Accept: {accept}",
        ]
        extensions = ", ".join(
            filter(None, headers.get("sec-websocket-extensions", ()))
        )
        if extensions:
            lines.append(f"Sec-WebSocket-Extensions: {self._deflate(extensions)}")
        protocols = headers.get("sec-websocket-protocol", ())
        if agreed := _subprotocol(self._subprotocols, protocols):
            lines.append(f"Sec-WebSocket-Protocol: {agreed}")
        return "\r\n".join([*lines, "", ""]).encode("ascii")

    def _deflate(self, agreed: str) -> str:
        """Return the parameters of permessage-deflate (RFC 7692, section 7.1).

        Raises:
            BadHandshake: When the server agreed to anything else.
        """
        name, *parameters = (part.strip() for part in agreed.split(";"))
        if not self._compression or name.lower() != _DEFLATE or "," in agreed:
            raise BadHandshake(_OTHER_EXTENSION)
        if not agreed.isascii():
            raise BadHandshake(NO_DEFLATE)
        # Servers echo the offer: without a value it asks for nothing (15 bits).
        wanted = [each for each in parameters if each != "client_max_window_bits"]
        return "; ".join([_DEFLATE, *wanted])


def _parse(head: bytes) -> tuple[int, _Headers]:
    """Return the status and the headers of an answer, names in lower case."""
    first, *lines = _FOLD.sub(b" ", head).split(b"\n")
    status = _parse_status(first.removesuffix(b"\r"))
    headers: _Headers = {}
    for line in lines:
        name, colon, value = line.decode("latin-1").partition(":")
        if colon:
            headers.setdefault(name.strip().lower(), []).append(value.strip())
    return status, headers


def _parse_status(line: bytes) -> int:
    """Return a status line's status; a phrase may be missing, or be in any charset.

    HTTP/1.0 and a status that nobody registered are what proxies in front of a server
    refuse with. HTTP/1.0 has no upgrade.

    Raises:
        BadHandshake: When it is none.
    """
    found = _STATUS_LINE.fullmatch(line)
    if found is None:
        raise BadHandshake(_NOT_HTTP)
    status = int(found[2])
    if status == _SWITCHING_PROTOCOLS and found[1] == b"1.0":
        msg = f"{_DISAGREES}it answers in HTTP/1.0, which has no upgrade"
        raise BadHandshake(msg)
    return status


def _tokens(headers: _Headers, name: str) -> set[str]:
    values = ",".join(headers.get(name, ()))
    return {token for each in values.split(",") if (token := each.strip().lower())}


def _accept(key: str) -> str:
    digest = hashlib.sha1(key.encode() + _GUID)  # noqa: S324 - RFC 6455 asks for it
    return base64.b64encode(digest.digest()).decode()


def _subprotocol(offered: Sequence[str], headers: Sequence[str]) -> str | None:
    """Return the subprotocol that a server chose.

    Args:
        offered: The setting `subprotocols`, whose values may be tokens: they are not
            shown, and neither is what the server says.
        headers: The values of the answer's headers `Sec-WebSocket-Protocol`.

    Raises:
        BadHandshake: When it is not one of those that were offered.
    """
    agreed = [name.strip() for value in headers for name in value.split(",")]
    if not agreed and not offered:
        return None
    names = f"{len(offered) or 'none'} in subprotocols"
    if not agreed:
        msg = f"the server agreed to none of the subprotocols offered ({names})"
        raise BadHandshake(msg)
    if any(name not in offered for name in agreed):
        msg = f"the server agreed to a subprotocol that was not offered ({names})"
        raise BadHandshake(msg)
    if len(agreed) > 1:
        msg = (
            f"the server agreed to more than one of the subprotocols offered ({names})"
        )
        raise BadHandshake(msg)
    return agreed[0]
