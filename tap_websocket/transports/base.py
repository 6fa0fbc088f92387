"""The one small protocol between the feed and a WebSocket library.

A transport opens a connection for a `Handshake`, and from then on calls its
`Listener` back: with *messages* (complete, reassembled, in batches as they were
read from the socket), with *control frames*, and last of all with how the
connection ended. It knows nothing of what a message means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from tap_websocket.logs import Redacted
from tap_websocket.network.urls import host_and_port

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

__all__ = [
    "LARGE_BYTES",
    "LINGER_SECONDS",
    "Closing",
    "Connection",
    "Handshake",
    "Library",
    "Listener",
    "Transport",
    "awaited",
]

LARGE_BYTES = 64 * 1024
"""A larger message may take long: it is handed on alone, so that one look shows it."""

LINGER_SECONDS = 0.05
"""Time for the Close frame to go out on a connection that this side fails."""


def awaited(url: str) -> str:
    """Return what a handshake waits for once there is TCP, in words for a log."""
    before = "TLS or " if url.startswith("wss:") else ""
    return (
        f"connected to {host_and_port(url)}, no answer to {before}the upgrade request"
    )


class Closing(msgspec.Struct, frozen=True):
    """How a connection ended.

    Attributes:
        code: The close code received, or one of those that are never sent (see
            `rfc6455`): `NO_CODE`, `ABNORMAL`.
        reason: The reason in the Close frame that was received, or empty.
        failure: Why this side gave the connection up or lost it, in words for a
            log, without message content; empty when a Close frame ended it.
        too_big: A message exceeded `max_message_bytes`.
    """

    code: int
    reason: str = ""
    failure: str = ""
    too_big: bool = False


class Handshake(Redacted, frozen=True):
    """What to connect to, and how.

    Attributes:
        url: `ws://` or `wss://`, without user-info and fragment.
        headers: Extra request headers, credentials included, in order.
        subprotocols: Offered in this order.
        tls: The context for `wss://`, for a TLS proxy too.
        server_name: Overrides the name that the certificate is checked for.
        proxy: The proxy's URL (see `network.proxy.proxy_for`), or None for a direct
            connection, whatever the environment says.
        compression: Offer permessage-deflate (RFC 7692).
        max_message_bytes: Bound of one message, reassembled and inflated.
        close_timeout: Seconds from a Close frame of either side to the end.
        checks_text: A text message that is not UTF-8 fails the connection, as RFC 6455,
            section 8.1, says; else it is handed on.
    """

    url: str
    headers: tuple[tuple[str, str], ...] = ()
    subprotocols: tuple[str, ...] = ()
    tls: ssl.SSLContext | None = None
    server_name: str | None = None
    proxy: str | None = None
    compression: bool = False
    max_message_bytes: int = 64 * 1024 * 1024
    close_timeout: float = 5.0
    checks_text: bool = True


class Listener(Protocol):
    """What a transport calls back, on the loop's thread, in the order received."""

    def waiting(self, what: str) -> None:
        """Take what the handshake waits for from now on, in words for a log."""

    def opened(self, connection: Connection) -> None:
        """Take the open connection: called once, before everything else."""

    def messages(self, payloads: list[bytes], *, binary: bool) -> None:
        """Take complete messages of one kind; text is UTF-8 where that is checked.

        A message over `LARGE_BYTES` comes alone.
        """

    def fragment(self) -> None:
        """Note that a part of a message came; the message is not complete."""

    def control(self, opcode: int, payload: bytes) -> None:
        """Take a Close (0x8), Ping (0x9) or Pong (0xA) frame; it is answered already.

        A Close or Ping that came behind a violation is never handed on.
        """

    def closed(self, closing: Closing) -> None:
        """Take the end of the connection: called once, after everything else."""


class Connection(Protocol):
    """An open connection. No method blocks; after the end they do nothing."""

    def send(self, *messages: str | bytes) -> None:
        """Send text (str) and binary (bytes) messages, all in one write."""

    def ping(self, payload: bytes) -> None:
        """Send a Ping frame with a payload of at most 125 bytes."""

    def close(self, code: int, reason: str = "") -> None:
        """Start the closing handshake; it ends within `close_timeout` of reading."""

    def abort(self) -> None:
        """Drop the connection at once."""

    def has_unread(self) -> bool:
        """Return whether something has arrived that was not read from the socket."""

    def pause(self) -> None:
        """Stop reading from the socket; what was read is still delivered."""

    def resume(self) -> None:
        """Read from the socket again."""


class Transport(Protocol):
    """A WebSocket library behind this protocol."""

    name: str

    async def connect(self, handshake: Handshake, listener: Listener) -> None:
        """Perform TCP, proxy, TLS and upgrade; redirects are not followed.

        `listener.opened` has been called when this returns.

        The caller bounds the time and may cancel.

        Raises:
            HandshakeError: One of its subclasses, for whatever went wrong.
        """


class Library(msgspec.Struct, frozen=True):
    """A WebSocket library, as its package describes it before it is loaded.

    Attributes:
        name: Its name, of the setting `transport` and of the module to import.
        compresses: It offers permessage-deflate where that is asked for.
        extra: The extra that installs it, or None where it is always there.
        make: Loads it; takes the size of a connection's read buffer, in bytes.
    """

    name: str
    compresses: bool
    extra: str | None
    make: Callable[[int], Transport]
