"""The transport on the websockets library.

`websockets.connect` does proxies that speak TLS, TLS and the handshake; the connection
that it makes is a subclass without the library's queue: frames go to the listener in
batches, one batch for each read from the socket.
"""

from __future__ import annotations

import logging
import ssl
from typing import TYPE_CHECKING, Any

from websockets import exceptions
from websockets.asyncio.client import ClientConnection, connect
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State
from websockets.typing import Subprotocol

from tap_websocket.network.errors import BadHandshake, HandshakeError, HandshakeRefused
from tap_websocket.network.failures import (
    describe_os_error,
    hung_up,
    network_error,
    proxy_error,
)
from tap_websocket.network.peer import has_left, has_unread, undelivered
from tap_websocket.network.tcp import WINDOW_BYTES
from tap_websocket.network.tunnel import proxy_of, reach
from tap_websocket.transports.answer import OTHER_EXTENSION, subprotocol_problem
from tap_websocket.transports.base import (
    ABNORMAL,
    LINGER_SECONDS,
    Closing,
    Handshake,
    Listener,
)
from tap_websocket.transports.rfc6455 import TOO_BIG, failed, valid_prefix, violation
from tap_websocket.transports.scanner import Scanner
from tap_websocket.transports.websockets.errors import (
    is_end,
    protocol_error,
    proxy_url,
)

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import Callable

    from websockets.client import ClientProtocol
    from websockets.protocol import Event

    from tap_websocket.network.proxy import Proxy

__all__ = ["WebsocketsTransport"]

_LOGGER = logging.getLogger("tap-websocket.websockets")
# At debug level the library logs each frame: a value that a rule is about to capture
# would show, since nobody knows yet that it is a secret.
_LOGGER.setLevel(logging.INFO)
_END_OF_HEAD = b"\r\n\r\n"
_DATA = frozenset({Opcode.TEXT, Opcode.BINARY, Opcode.CONT})

_CONTROL_BYTES = 125
"""The library's bound is one of control frames too: so much more has to pass it."""


class WebsocketsTransport:
    """Opens connections with the websockets library."""

    name = "websockets"

    async def connect(self, handshake: Handshake, listener: Listener) -> None:
        """Perform the opening handshake (see `Transport.connect`).

        The library's own way is taken for proxies that speak TLS only.

        Raises:
            HandshakeError: One of its subclasses, for whatever went wrong.
        """
        proxy = proxy_of(handshake)
        opened: socket.socket | None = None
        if proxy is None or proxy.scheme != "https":
            opened, proxy = await reach(handshake, proxy, WINDOW_BYTES), None
        opening = _Opening(handshake, listener, proxy, opened)
        try:
            await opening
        except (exceptions.WebSocketException, OSError, ValueError) as error:
            raise opening.failure(error) from error
        finally:
            if opened is not None and opening.made is None:
                opened.close()
        problem = opening.disagreement()
        connection = opening.made
        assert connection is not None  # noqa: S101 - it is open
        if problem is not None:
            connection.transport.abort()
            raise problem
        connection.open()


class _Opening(connect):
    """One opening handshake; the redirects are left to the caller."""

    def __init__(
        self,
        handshake: Handshake,
        listener: Listener,
        proxy: Proxy | None,
        opened: socket.socket | None,
    ) -> None:
        options: dict[str, Any] = {"proxy": None}
        if opened is not None:
            options["sock"] = opened
        if handshake.url.startswith("wss:"):
            options["ssl"] = handshake.tls or ssl.create_default_context()
            if handshake.server_name is not None:
                options["server_hostname"] = handshake.server_name
        if proxy is not None:
            options["proxy"] = proxy_url(proxy)
            options["proxy_ssl"] = handshake.tls or ssl.create_default_context()
        self._made: list[_Connection] = []
        self._handshake = handshake
        self._to_proxy = proxy is not None

        most = handshake.max_message_bytes
        options["create_connection"] = _maker(listener, most, self._made)
        super().__init__(
            handshake.url,
            subprotocols=[Subprotocol(name) for name in handshake.subprotocols] or None,
            compression="deflate" if handshake.compression else None,
            additional_headers=list(handshake.headers),
            user_agent_header=None,
            open_timeout=None,
            ping_interval=None,
            close_timeout=handshake.close_timeout,
            max_size=most + _CONTROL_BYTES,
            max_queue=None,
            logger=_LOGGER,
            **options,
        )

    @property
    def made(self) -> _Connection | None:
        """The connection, once there is a way to the server."""
        return self._made[-1] if self._made else None

    def process_redirect(self, exc: Exception) -> Exception:
        return exc

    def disagreement(self) -> BadHandshake | None:
        """Return what is wrong with the server's choice of subprotocol, if anything."""
        response = self.made.response if self.made else None
        if response is None:
            return None
        agreed = response.headers.get_all("Sec-WebSocket-Protocol")
        return subprotocol_problem(self._handshake.subprotocols, agreed)

    def failure(self, error: Exception) -> HandshakeError:
        """Say what a failed handshake means, without a word of the URL."""
        if isinstance(error, exceptions.InvalidStatus):
            headers = error.response.headers.raw_items()
            return HandshakeRefused(
                error.response.status_code,
                {name.lower(): value for name, value in headers},
            )
        if isinstance(error, exceptions.NegotiationError | exceptions.InvalidHeader):
            return self._negotiation_error(error)
        if isinstance(error, exceptions.InvalidMessage) and is_end(error):
            return hung_up(self._handshake.url)
        if isinstance(error, exceptions.WebSocketException):
            return protocol_error(error, bytes(self.made.head) if self.made else b"")
        if self._to_proxy and self.made is None:
            return proxy_error(error)
        return network_error(error)

    def _negotiation_error(self, error: exceptions.InvalidHandshake) -> HandshakeError:
        name = getattr(error, "name", None)
        if name in {None, "Sec-WebSocket-Protocol"}:
            return self.disagreement() or BadHandshake(OTHER_EXTENSION)
        return protocol_error(error)


def _maker(
    listener: Listener,
    most: int,
    made: list[_Connection],
) -> Callable[..., _Connection]:
    """Return what makes a connection and keeps it.

    It does not know the opening: without a circle of references, neither has to wait
    for the garbage collector.
    """

    def make(protocol: ClientProtocol, **options: Any) -> _Connection:  # noqa: ANN401
        connection = _Connection(protocol, **options)
        connection.target = listener
        connection.most = most
        made.append(connection)
        return connection

    return make


class _Connection(ClientConnection):
    """A connection that hands messages to its listener as they are read."""

    target: Listener
    most: int

    def __init__(self, protocol: ClientProtocol, **options: Any) -> None:  # noqa: ANN401
        super().__init__(protocol, **options)
        self._opened = False
        self._ended = False
        self._batch: list[bytes] = []
        self._binary = False
        self._fragments = bytearray()
        self._early: list[Frame] = []
        self._deadline: asyncio.TimerHandle | None = None
        self.head = bytearray()
        self._failed = False
        self._unscanned = bytearray()
        self._scanner: Scanner | None = None

    def open(self) -> None:
        """Tell the listener, then deliver what came along with the handshake."""
        self._opened = True
        if not (self.protocol.extensions or self._ended):
            self._scanner = Scanner(
                self.most,
                messages=self._take_plain,
                others=self._take_others,
            )
        self.target.opened(_Handle(self))
        early, self._early = self._early, []
        for frame in early:
            self._take(frame)
        self._deliver()
        unscanned, self._unscanned = bytes(self._unscanned), bytearray()
        if unscanned:
            self.data_received(unscanned)
        if self._ended:
            self.target.closed(self._closing())

    def process_event(self, event: Event) -> None:
        if not isinstance(event, Frame):
            super().process_event(event)
        elif self._opened:
            self._take(event)
        else:
            self._early.append(event)

    def data_received(self, data: bytes) -> None:
        if self.protocol.state is State.CONNECTING:
            if self.head.endswith(_END_OF_HEAD):
                super().data_received(data)
            else:
                self._take_answer(data)
        elif not self._opened:
            self._unscanned += data
        elif self._scanner is not None:
            self._scanner.feed(data)
        else:
            self._take_others(data)

    def _take_answer(self, data: bytes) -> None:
        """Take the server's answer; the scanner begins right behind its head."""
        seen = len(self.head)
        self.head += data
        end = self.head.find(_END_OF_HEAD, max(0, seen + 1 - len(_END_OF_HEAD)))
        if end < 0:
            super().data_received(data)
            return
        del self.head[end + len(_END_OF_HEAD) :]
        end = len(self.head) - seen
        super().data_received(data[:end])
        if self.protocol.state is State.OPEN:
            self._unscanned += data[end:]
        else:
            super().data_received(data[end:])

    def _take_plain(self, messages: list[bytes], binary: bool) -> bool:  # noqa: FBT001 - the scanner's
        self._binary = binary
        self._batch = messages
        self._deliver()
        return self._goes_on

    def _take_others(self, data: bytes) -> bool:
        super().data_received(data)
        self._deliver()
        self.bound_closing()
        return self._goes_on

    @property
    def _goes_on(self) -> bool:
        """Whether the server has neither closed the connection nor violated it."""
        protocol = self.protocol
        return protocol.parser_exc is None and protocol.close_rcvd is None

    def eof_received(self) -> None:
        self._take_undelivered()
        self._flush_unscanned()
        super().eof_received()

    def _take_undelivered(self) -> None:
        if rest := undelivered(self.transport):
            self.data_received(rest)

    def send_data(self) -> None:
        """Write what is to be written, unless the peer has left."""
        if self.protocol.writes and has_left(self.transport):
            self.protocol.data_to_send()
        else:
            super().send_data()

    def _flush_unscanned(self) -> None:
        """Let the library have what came before the connection was handed over."""
        unscanned, self._unscanned = bytes(self._unscanned), bytearray()
        if unscanned:
            super().data_received(unscanned)

    def connection_lost(self, exc: Exception | None) -> None:
        self._take_undelivered()
        self._flush_unscanned()
        super().connection_lost(exc)
        if self._deadline is not None:
            self._deadline.cancel()
        self._deliver()
        self._ended = True
        # The two know each other, and would wait for the garbage collector.
        self._scanner = None
        if self._opened:
            self.target.closed(self._closing())

    def bound_closing(self) -> None:
        """See to it that a closing handshake ends, whatever the peer does."""
        if self._deadline is None and self.protocol.close_expected():
            violated = self.protocol.parser_exc is not None
            wait = LINGER_SECONDS if violated else self.close_timeout
            self._deadline = self.loop.call_later(wait or 0, self.transport.abort)

    def _take(self, frame: Frame) -> None:
        if self._failed:
            return
        opcode = frame.opcode
        if opcode in _DATA:
            data = frame.data if type(frame.data) is bytes else bytes(frame.data)
            if opcode is not Opcode.CONT:
                binary = opcode is Opcode.BINARY
                if binary is not self._binary:
                    self._deliver()
                    self._binary = binary
                if frame.fin:
                    self._add(data)
                    return
            self._fragments += data
            if frame.fin:
                data, self._fragments = bytes(self._fragments), bytearray()
                self._add(data)
            elif len(self._fragments) > self.most:
                self._refuse(len(self._fragments))
        else:
            self._deliver()
            if not self._failed:
                self.target.control(opcode, bytes(frame.data))

    def _add(self, message: bytes) -> None:
        if self._failed:
            return
        if len(message) > self.most:
            self._refuse(len(message))
        else:
            self._batch.append(message)

    def _refuse(self, size: int) -> None:
        """Fail the connection for a message that is too big."""
        self._deliver()
        if not self._failed:
            error = exceptions.PayloadTooBig(size, self.most)
            self._fail(CloseCode.MESSAGE_TOO_BIG, error)

    def _deliver(self) -> None:
        if not self._batch or not self._opened:
            return
        batch, self._batch = self._batch, []
        valid = len(batch) if self._binary else valid_prefix(batch)
        if valid:
            self.target.messages(batch[:valid], binary=self._binary)
        if valid < len(batch):
            error = exceptions.ProtocolError("a text message is not valid UTF-8")
            self._fail(CloseCode.INVALID_DATA, error)

    def _fail(self, code: CloseCode, error: exceptions.WebSocketException) -> None:
        self._failed = True
        self.protocol.parser_exc = error
        if self.protocol.state is not State.CLOSED:
            self.protocol.fail(code, str(error))
            self.send_data()
            self.bound_closing()

    def _closing(self) -> Closing:
        received = self.protocol.close_rcvd
        cause = self.protocol.parser_exc
        too_big = isinstance(cause, exceptions.PayloadTooBig)
        violated = too_big or isinstance(cause, exceptions.ProtocolError)
        if received is not None and not violated:
            return Closing(received.code, received.reason)
        if too_big:
            return violation(TOO_BIG, "")
        if isinstance(cause, exceptions.ProtocolError | UnicodeDecodeError):
            return violation(CloseCode.PROTOCOL_ERROR, str(cause))
        if isinstance(self.connection_exc, OSError):
            failure = f"the connection broke: {describe_os_error(self.connection_exc)}"
        elif self.connection_exc is not None:
            failure = failed(self.connection_exc)
        else:
            failure = "the server ended the connection without a Close frame"
        return Closing(ABNORMAL, failure=failure)


class _Handle:
    """The connection as the feed sees it."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    def send(self, message: str | bytes) -> None:
        protocol = self._connection.protocol
        if isinstance(message, str):
            self._write(lambda: protocol.send_text(message.encode()))
        else:
            self._write(lambda: protocol.send_binary(message))

    def ping(self, payload: bytes) -> None:
        self._write(lambda: self._connection.protocol.send_ping(payload))

    def close(self, code: int, reason: str = "") -> None:
        self._write(lambda: self._connection.protocol.send_close(code, reason))

    def _write(self, act: Any) -> None:  # noqa: ANN401
        connection = self._connection
        try:
            act()
        except exceptions.InvalidState:
            return
        connection.send_data()
        connection.bound_closing()

    def abort(self) -> None:
        self._connection.transport.abort()

    def has_unread(self) -> bool:
        return has_unread(self._connection.transport)

    def pause(self) -> None:
        self._connection.transport.pause_reading()

    def resume(self) -> None:
        self._connection.transport.resume_reading()
