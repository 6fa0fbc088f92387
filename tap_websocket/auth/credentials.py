"""What a connection attempt carries, whatever type of `auth` it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_websocket.logs import Redacted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_websocket.network.urls import Headers

__all__ = ["Credentials"]


class Credentials(Redacted, frozen=True):
    """What one connection attempt carries.

    Attributes:
        headers: For the handshake; they win over those of the setting `headers`.
        values: For placeholders.
        secrets: What of these must not show in any output.
        cookies: The URL of an answer, and the values of its `Set-Cookie`.
        sign_url: Returns the URL of the handshake with a signature in it.
    """

    headers: Headers = ()
    values: Mapping[str, Any] = {}
    secrets: tuple[str, ...] = ()
    cookies: tuple[str, tuple[str, ...]] = ("", ())
    sign_url: Callable[[str], str] | None = None
