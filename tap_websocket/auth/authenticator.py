"""Credentials: resolved for every connection attempt, by request where needed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from tap_websocket.auth.credentials import Credentials
from tap_websocket.auth.oauth2 import AccessTokens
from tap_websocket.auth.signatures import AwsSignatures, Signatures, Tokens
from tap_websocket.auth.token_endpoint import TokenRequests
from tap_websocket.auth.types import (
    Auth,
    Aws,
    Custom,
    Jwt,
    OAuth2,
    Signed,
    TokenEndpoint,
)
from tap_websocket.expressions.rendering import render_headers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_websocket.expressions.placeholders import MessageBuiltins
    from tap_websocket.http.client import HttpClient

__all__ = ["Authenticator"]


class Authenticator:
    """Makes the credentials of a run. Any thread may ask; asking may block.

    Token requests are made one at a time, however many connections wait for them.

    Args:
        auth: The setting.
        client: Sends the token requests.
        clock: Returns the time in seconds, from any start: tokens expire by it.

    Raises:
        ValueError: When a JSONPath, the secret or the key of the setting is none.
    """

    def __init__(
        self,
        auth: Auth,
        client: HttpClient,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._provider = _provider(auth, client, clock)

    @property
    def blocks(self) -> bool:
        """Whether `credentials` may wait for a server."""
        return self._provider.blocks

    @property
    def mints(self) -> bool:
        """Whether each message needs credentials of its own (see `mint`)."""
        return isinstance(self._provider, _Minting)

    def credentials(
        self, values: Mapping[str, Any], moment: MessageBuiltins
    ) -> Credentials:
        """Return the credentials for a connection attempt.

        Args:
            values: The values of placeholders, for the texts of the setting.
            moment: The built-in placeholders of this handshake.

        Raises:
            TransientHttpError: When a token request failed in a way that may pass.
            TapError: When trying again is no use.
        """
        return self._provider.credentials(values, moment)

    def mint(self, values: Mapping[str, Any], moment: MessageBuiltins) -> Credentials:
        """Return the credentials for a message; it never blocks.

        Args:
            values: The values of placeholders, for the texts of the setting.
            moment: The built-in placeholders of this message.
        """
        if isinstance(self._provider, _Minting):
            return self._provider.mint(values, moment)
        return Credentials()

    def refresh(self, stale: Credentials) -> bool:
        """Forget credentials that a server refused (401, 403).

        Returns:
            Whether there are others to be had, so that another attempt makes sense.
        """
        return self._provider.refresh(stale)


class _Provider(Protocol):
    """Where the credentials of one type of `auth` come from.

    Attributes:
        blocks: Whether `credentials` may wait for a server.
    """

    @property
    def blocks(self) -> bool: ...

    def credentials(
        self, values: Mapping[str, Any], moment: MessageBuiltins
    ) -> Credentials:
        """Return the credentials for a connection attempt."""

    def refresh(self, stale: Credentials) -> bool:
        """Forget what was refused, and return whether there is more."""


@runtime_checkable
class _Minting(Protocol):
    """A provider whose credentials hold the time, so that servers refuse old ones."""

    def mint(self, values: Mapping[str, Any], moment: MessageBuiltins) -> Credentials:
        """Return the credentials for a message."""


def _provider(auth: Auth, client: HttpClient, clock: Callable[[], float]) -> _Provider:
    match auth:
        case OAuth2():
            return AccessTokens(auth, client, clock)
        case TokenEndpoint():
            return TokenRequests(auth, client)
        case Signed():
            return Signatures(auth)
        case Jwt():
            return Tokens(auth)
        case Aws():
            return AwsSignatures(auth)
    return _Fixed(auth)


class _Fixed:
    """Provides credentials that are all in the config."""

    blocks = False

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def credentials(
        self, values: Mapping[str, Any], moment: MessageBuiltins
    ) -> Credentials:
        """Return the credentials, with placeholders filled in."""
        headers = self._auth.headers()
        if isinstance(self._auth, Custom):
            headers = render_headers(headers, values, moment, where="auth.headers")
            return Credentials(headers, secrets=tuple(value for _, value in headers))
        return Credentials(headers, self._auth.offers)

    def refresh(self, stale: Credentials) -> bool:  # noqa: ARG002 - protocol
        """Return False: there are no others."""
        return False
