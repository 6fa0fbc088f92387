"""The transport on the picows library (extra `fast`).

picows parses frames in compiled code and checks little beyond it; what RFC 6455 asks
of a client is checked here: reserved bits, fragments, UTF-8, close codes, and what
the server agreed to in the handshake.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import picows

from tap_websocket.network.errors import HandshakeError, Incapable
from tap_websocket.network.failures import hung_up
from tap_websocket.network.peer import has_left, has_unread, undelivered
from tap_websocket.network.tcp import WINDOW_BYTES
from tap_websocket.network.tunnel import proxy_of, reach
from tap_websocket.transports.base import (
    ABNORMAL,
    LINGER_SECONDS,
    Closing,
    Handshake,
    Listener,
)
from tap_websocket.transports.picows.handshake import disagreement, handshake_error
from tap_websocket.transports.picows.log import make_logger
from tap_websocket.transports.rfc6455 import (
    TOO_BIG,
    ViolationError,
    failed,
    parse_close,
    valid_prefix,
    violation,
)
from tap_websocket.transports.scanner import Scanner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["PicowsTransport"]

_TEXT = picows.WSMsgType.TEXT
_BINARY = picows.WSMsgType.BINARY
_CONTINUATION = picows.WSMsgType.CONTINUATION
_CLOSE = picows.WSMsgType.CLOSE
_PING = picows.WSMsgType.PING
_PONG = picows.WSMsgType.PONG

_PROTOCOL_ERROR = 1002
_INVALID_DATA = 1007
_READ_BYTES = 64 * 1024
_BATCH = 1000

_ALIGNED_WITHIN_BYTES = 4096
"""After so many single bytes picows reads on as it did; the next read is a new try."""

_PIECE_BYTES = 1024 * 1024
"""More than so many bytes are not handed on at once, since each step copies them."""


class PicowsTransport:
    """Opens connections with picows."""

    name = "picows"

    def __init__(self, *, read_bytes: int = _READ_BYTES) -> None:
        """Make the transport.

        Args:
            read_bytes: Size of a connection's read buffer at its start.
        """
        self._read_bytes = read_bytes

    async def connect(self, handshake: Handshake, listener: Listener) -> None:
        """Perform the opening handshake (see `Transport.connect`).

        Raises:
            HandshakeError: One of its subclasses, for whatever went wrong.
        """
        frames = _Frames(handshake, listener)
        proxy = proxy_of(handshake)
        if proxy is not None and proxy.scheme == "https":
            msg = "picows does not go through an https:// proxy"
            raise Incapable(msg)
        parts = urlsplit(handshake.url)
        options: dict[str, Any] = {}
        if parts.scheme == "wss":
            options["ssl_context"] = handshake.tls or ssl.create_default_context()
            options["server_hostname"] = handshake.server_name or parts.hostname
        headers = list(handshake.headers)
        if handshake.subprotocols:
            offered = ", ".join(handshake.subprotocols)
            headers.append(("Sec-WebSocket-Protocol", offered))
        opened = await reach(handshake, proxy, WINDOW_BYTES)
        # picows keeps the socket of a handshake that is given up: this one ends it.
        handle = opened.dup()
        try:
            transport, _ = await picows.ws_connect(
                lambda *_: frames,
                handshake.url,
                websocket_handshake_timeout=None,
                logger_name=make_logger(frames.refused),
                enable_auto_pong=False,
                max_frame_size=handshake.max_message_bytes,
                extra_headers=headers,
                max_redirects=0,
                read_buffer_init_size=self._read_bytes,
                socket_factory=lambda _: opened,
                use_aiofastnet=False,
                **options,
            )
        except asyncio.CancelledError:
            with contextlib.suppress(OSError):
                handle.shutdown(socket.SHUT_RDWR)
            raise
        except (picows.WSError, OSError, ValueError) as error:
            raise handshake_error(error) from error
        finally:
            handle.close()
        try:
            frames.check_handshake()
        except HandshakeError:
            transport.underlying_transport.abort()
            raise
        frames.scan(transport.underlying_transport)


class _Frames(picows.WSListener):
    """Turns frames into messages, in batches as they were read from the socket."""

    def __init__(self, handshake: Handshake, listener: Listener) -> None:
        self._handshake = handshake
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._transport: picows.WSTransport | None = None
        self._problem: HandshakeError | None = None
        self._batch: list[bytes] = []
        self._kind = _TEXT
        self._plain = True
        self._fragments: bytearray | None = None
        self._closing: Closing | None = None
        self._over = False
        self.sent_close = False
        self._watcher: asyncio.Task[None] | None = None
        self.aligned = False
        self.has_refused = False

    def check_handshake(self) -> None:
        """Raise what was wrong with the server's answer.

        Raises:
            HandshakeError: When it agreed to what was not offered, or hung up.
        """
        if self._problem is not None:
            raise self._problem
        if self._transport is None:
            raise hung_up(self._handshake.url)

    def scan(self, transport: asyncio.Transport) -> None:
        """From now on take plain messages out of what is read, before picows."""
        if not self._over and not transport.is_closing():
            transport.set_protocol(_Reads(self, transport))

    def make_scanner(self, others: Callable[[bytes], bool]) -> Scanner:
        """Make a scanner that begins where picows has read to."""
        return Scanner(
            self._handshake.max_message_bytes,
            messages=self._take_plain,
            others=others,
            fragmented=self._fragments is not None,
        )

    @property
    def goes_on(self) -> bool:
        """Whether the server has neither closed the connection nor violated it."""
        return not (self._over or self.has_refused)

    def _take_plain(self, messages: list[bytes], binary: bool) -> bool:  # noqa: FBT001 - the scanner's
        self._deliver()
        self._kind = _BINARY if binary else _TEXT
        self._hand_on(messages)
        return self.goes_on

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self._problem = disagreement(self._handshake, transport.response.headers)
        self._transport = transport
        if self._problem is not None:
            self._over = True
            self._plain = False
            transport.disconnect(graceful=False)
            return
        self._watcher = self._loop.create_task(self._watch(transport))
        self._listener.opened(_Handle(self, transport, self._handshake.close_timeout))

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        batch = self._batch
        if (
            self._plain
            and frame.msg_type is self._kind
            and frame.fin
            and not (frame.rsv1 or frame.rsv2 or frame.rsv3)
        ):
            batch.append(frame.get_payload_as_bytes())
        elif not self._over:
            self._take(transport, frame)
            self._plain = self._fragments is None and not self._over
        if frame.last_in_buffer:
            self.aligned = not frame.tail_size
            self._deliver()
        elif len(batch) >= _BATCH:
            self._deliver()

    def _take(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        """Take a frame that is more than one message after another of its kind."""
        if frame.rsv1 or frame.rsv2 or frame.rsv3:
            self.fail(_PROTOCOL_ERROR, "reserved bits without an extension")
            return
        kind = frame.msg_type
        payload: bytes = frame.get_payload_as_bytes()
        if kind in {_PING, _PONG}:
            self._deliver()
            if kind is _PING and not has_left(transport.underlying_transport):
                transport.send_pong(payload)
            self._listener.control(kind.value, payload)
        elif kind is _CLOSE:
            self._take_close(transport, payload)
        elif (kind is _CONTINUATION) is (self._fragments is None):
            reason = "unexpected" if self._fragments is None else "expected"
            self.fail(_PROTOCOL_ERROR, f"{reason} continuation frame")
        else:
            self._take_data(payload, kind, fin=frame.fin)

    def _take_data(self, payload: bytes, kind: picows.WSMsgType, *, fin: bool) -> None:
        if kind is not _CONTINUATION and kind is not self._kind:
            self._deliver()
            if self._over:
                return
            self._kind = kind
        if fin and self._fragments is None:
            self._batch.append(payload)
            return
        if self._fragments is None:
            self._fragments = bytearray()
        self._fragments += payload
        if len(self._fragments) > self._handshake.max_message_bytes:
            self.fail(TOO_BIG, "message too big")
        elif fin:
            self._batch.append(bytes(self._fragments))
            self._fragments = None

    def _take_close(self, transport: picows.WSTransport, payload: bytes) -> None:
        self._deliver()
        if self._over:
            return
        try:
            code, reason = parse_close(payload)
        except ViolationError as error:
            self.fail(error.code, str(error))
            return
        if self._fragments is not None:
            self.fail(_PROTOCOL_ERROR, "incomplete fragmented message")
            return
        self._closing = Closing(code, reason)
        self._over = True
        self._listener.control(_CLOSE.value, payload)
        if not self.sent_close:
            self.sent_close = True
            if not has_left(transport.underlying_transport):
                transport.send(_CLOSE, payload)
        self._loop.call_later(
            self._handshake.close_timeout,
            transport.underlying_transport.abort,
        )

    def _deliver(self) -> None:
        if not self._batch:
            return
        batch, self._batch = self._batch, []
        for piece in _pieces(batch):
            if self._over:
                break
            self._hand_on(piece)

    def _hand_on(self, batch: list[bytes]) -> None:
        binary = self._kind is _BINARY
        valid = len(batch) if binary else valid_prefix(batch)
        if valid:
            self._listener.messages(batch[:valid], binary=binary)
        if valid < len(batch):
            self.fail(_INVALID_DATA, "a text message is not valid UTF-8")

    def refused(self) -> None:
        """Take notice that picows itself has found a violation.

        It still hands out the frame in front of the one that it refused; but then it
        would go on parsing behind that one's header until it hangs up. So nothing more
        is read, and nobody waits for what it would hang up in good order for.
        """
        self.has_refused = True
        if self._transport is not None:
            self._give_up(self._transport.underlying_transport)

    def fail(self, code: int, reason: str) -> None:
        """Fail the connection (RFC 6455, section 7.1.7)."""
        transport = self._transport
        if transport is None or self._over:
            return
        self._deliver()
        self._over = True
        self._plain = False
        self._closing = violation(code, reason)
        self.sent_close = True
        self._give_up(transport.underlying_transport)
        transport.send_close(picows.WSCloseCode(code), reason)

    def _give_up(self, transport: asyncio.Transport) -> None:
        """Read no more, and drop the connection once a Close frame may be out."""
        transport.pause_reading()
        self._loop.call_later(LINGER_SECONDS, transport.abort)

    async def _watch(self, transport: picows.WSTransport) -> None:
        """Wait for the end of the connection, and say how it came."""
        closing = Closing(
            ABNORMAL,
            failure="the server ended the connection without a Close frame",
        )
        try:
            await transport.wait_disconnected()
        except picows.WSProtocolError as error:
            closing = violation(int(error.args[0].value), str(error.args[1]))
        except OSError as error:
            closing = Closing(
                ABNORMAL,
                failure=f"the connection broke: {error.strerror}",
            )
        except Exception as error:  # noqa: BLE001 - reported as the end that it is
            self._closing = Closing(ABNORMAL, failure=failed(error))
        self._over = True
        self._fragments = None
        # The transport's logger knows this object: without a word the two would wait
        # for the garbage collector, with all that was read.
        self._transport = None
        self._listener.closed(self._closing or closing)


class _Reads(asyncio.Protocol):
    """What the socket calls back in the place of picows, which gets the other frames.

    Where picows stands in the stream is not known at first, or it has read the
    beginning of a frame: then it gets single bytes until a frame ends.
    """

    def __init__(self, frames: _Frames, transport: asyncio.Transport) -> None:
        self._frames = frames
        self._transport = transport
        self._inner: Any = transport.get_protocol()
        self._scanner: Scanner | None = None

    def data_received(self, data: bytes) -> None:
        if self._scanner is None:
            data = self._align(data)
        if self._scanner is not None:
            self._scanner.feed(data)
        else:
            self._hand_on(data)

    def _align(self, data: bytes) -> bytes:
        """Let picows come to the end of a frame, if that is near; return the rest."""
        frames = self._frames
        frames.aligned = False
        for read in range(1, min(len(data), _ALIGNED_WITHIN_BYTES) + 1):
            self._hand_on(data[read - 1 : read])
            if frames.aligned and frames.goes_on:
                self._scanner = frames.make_scanner(self._hand_on)
                return data[read:]
        return data[_ALIGNED_WITHIN_BYTES:]

    def _hand_on(self, data: bytes) -> bool:
        """Give bytes to picows, into its own buffer."""
        rest = memoryview(data)
        while rest and not self._frames.has_refused:
            room = self._inner.get_buffer(len(rest))
            size = min(len(room), len(rest))
            room[:size] = rest[:size]
            rest = rest[size:]
            self._inner.buffer_updated(size)
        return self._frames.goes_on

    def eof_received(self) -> bool | None:
        self._take_undelivered()
        answer: bool | None = self._inner.eof_received()
        return answer

    def connection_lost(self, exc: Exception | None) -> None:
        self._take_undelivered()
        # The two know each other, and would wait for the garbage collector.
        self._scanner = None
        self._inner.connection_lost(exc)

    def _take_undelivered(self) -> None:
        if rest := undelivered(self._transport):
            self.data_received(rest)

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()


class _Handle:
    """The connection as the feed sees it."""

    def __init__(
        self,
        frames: _Frames,
        transport: picows.WSTransport,
        close_timeout: float,
    ) -> None:
        self._frames = frames
        self._transport = transport
        self._close_timeout = close_timeout
        self._loop = asyncio.get_running_loop()

    def send(self, message: str | bytes) -> None:
        if isinstance(message, str):
            self._while_open(lambda: self._transport.send(_TEXT, message.encode()))
        else:
            self._while_open(lambda: self._transport.send(_BINARY, message))

    def ping(self, payload: bytes) -> None:
        self._while_open(lambda: self._transport.send_ping(payload))

    def close(self, code: int, reason: str = "") -> None:
        closing = picows.WSCloseCode(code)
        self._frames.sent_close = True
        self._while_open(lambda: self._transport.send_close(closing, reason))
        self._loop.call_later(self._close_timeout, self.abort)

    def _while_open(self, act: Callable[[], None]) -> None:
        transport = self._transport
        if self._frames.goes_on and not (
            transport.is_disconnected
            or transport.is_close_frame_sent
            or has_left(transport.underlying_transport)
        ):
            act()

    def abort(self) -> None:
        self._transport.underlying_transport.abort()

    def has_unread(self) -> bool:
        return has_unread(self._transport.underlying_transport)

    def pause(self) -> None:
        self._transport.underlying_transport.pause_reading()

    def resume(self) -> None:
        self._transport.underlying_transport.resume_reading()


def _pieces(batch: list[bytes]) -> Iterator[list[bytes]]:
    """Cut a batch so that each piece is of a moderate size, or one message."""
    if sum(map(len, batch)) <= _PIECE_BYTES:
        yield batch
        return
    piece: list[bytes] = []
    size = 0
    for payload in batch:
        if piece and size + len(payload) > _PIECE_BYTES:
            yield piece
            piece, size = [], 0
        piece.append(payload)
        size += len(payload)
    yield piece
