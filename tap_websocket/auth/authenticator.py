"""Credentials: resolved for every connection attempt, by request where needed."""

from __future__ import annotations

import base64
import collections
import hmac
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

from tap_websocket.auth.credentials import (
    Auth,
    Credentials,
    Custom,
    OAuth2,
    Signed,
    TokenEndpoint,
    decode_secret,
)
from tap_websocket.auth.oauth2 import AccessTokens
from tap_websocket.errors import CredentialError
from tap_websocket.expressions.jsonpath import MISSING, compile_path
from tap_websocket.expressions.placeholders import iso_time
from tap_websocket.expressions.templates import (
    Template,
    names_in,
    render_headers,
    render_url,
)
from tap_websocket.jsontext import text_of
from tap_websocket.network.urls import Headers, split_userinfo

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_websocket.auth.token_client import Answer, TokenClient
    from tap_websocket.expressions.placeholders import MessageBuiltins

__all__ = ["Authenticator"]

_MOST_SECRETS = 1000
"""So many fetched secrets are remembered, for a run may last for months."""


class Authenticator:
    """Makes the credentials of a run. Any thread may ask; asking may block.

    Token requests are made one at a time, however many connections wait for them.
    """

    def __init__(
        self,
        auth: Auth,
        client: TokenClient,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make it; no request is sent yet.

        Args:
            auth: The setting.
            client: Sends the token requests.
            clock: Tells when tokens expire, in seconds.

        Raises:
            ValueError: When a JSONPath or the secret of the setting is none.
        """
        self.names = auth.names
        self._given = auth.secrets
        self._source = _source(auth, client, clock)
        self._fetched: collections.deque[str] = collections.deque(maxlen=_MOST_SECRETS)

    def credentials(
        self, values: Mapping[str, Any], moment: MessageBuiltins
    ) -> Credentials:
        """Return the credentials for a connection attempt.

        Args:
            values: The values of placeholders, for the texts of the setting.
            moment: The values that are always there, for this handshake.

        Raises:
            TokenUnavailable: When a token request failed in a way that may pass.
            TapError: When trying again is no use.
        """
        credentials = self._source.credentials(values, moment)
        self._fetched.extend(credentials.secrets)
        return credentials

    def refresh(self, stale: Credentials) -> bool:
        """Get ready for other credentials, after some were refused (401, 403).

        Returns:
            Whether there are others to be had, so that trying again makes sense.
        """
        return self._source.refresh(stale)

    def secrets(self) -> set[str]:
        """Return what must not show in any output: given, fetched, or made."""
        return {*self._given, *self._fetched}


class _Source(Protocol):
    """Where credentials come from."""

    def credentials(
        self, values: Mapping[str, Any], moment: MessageBuiltins
    ) -> Credentials:
        """Return the credentials for a connection attempt."""

    def refresh(self, stale: Credentials) -> bool:
        """Forget what was refused; tell whether there is more."""


def _source(auth: Auth, client: TokenClient, clock: Callable[[], float]) -> _Source:
    match auth:
        case OAuth2():
            return AccessTokens(auth, client, clock)
        case TokenEndpoint():
            return _Endpoint(auth, client)
        case Signed():
            return _Signer(auth)
    return _Fixed(auth)


class _Fixed:
    """Credentials that are all in the config."""

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
        """There is nothing else."""
        return False


class _Signer:
    """A signature over the time of the attempt."""

    def __init__(self, auth: Signed) -> None:
        self._auth = auth
        self._key = decode_secret(auth.secret, auth.secret_encoding)
        self._template = Template(auth.template, names_in(auth.template))

    def credentials(
        self, values: Mapping[str, Any], moment: MessageBuiltins
    ) -> Credentials:
        """Sign."""
        timestamp = self._timestamp(moment.now + self._auth.timestamp_offset)
        message = self._template.render({**values, "timestamp": timestamp}, moment)
        mac = hmac.new(self._key, message.encode(), self._auth.hash).digest()
        signature = mac.hex()
        if self._auth.encoding == "base64":
            signature = base64.b64encode(mac).decode("ascii")
        return Credentials(
            values={"timestamp": timestamp, "signature": signature},
            secrets=(signature,),
        )

    def _timestamp(self, seconds: float) -> str:
        match self._auth.timestamp:
            case "s":
                return str(int(seconds))
            case "ms":
                return str(int(seconds * 1000))
            case "iso":
                return iso_time(seconds)

    def refresh(self, stale: Credentials) -> bool:  # noqa: ARG002 - protocol
        """The secret stays the same."""
        return False


class _Endpoint:
    """A call for each connection attempt, whose reply holds the values."""

    def __init__(self, auth: TokenEndpoint, client: TokenClient) -> None:
        self._auth = auth
        self._client = client
        self._lock = threading.Lock()
        self._body = None
        if auth.body is not None:
            self._body = Template(auth.body, names_in(auth.body))
        self._paths = [(name, compile_path(path)) for name, path in auth.values]

    def credentials(
        self, values: Mapping[str, Any], moment: MessageBuiltins
    ) -> Credentials:
        """Call, and take the values from the reply."""
        url, headers = split_userinfo(
            render_url(
                self._auth.url,
                values,
                moment,
                where="auth.url",
                schemes=("http", "https"),
            ),
        )
        given = render_headers(self._auth.given, values, moment, where="auth.headers")
        body = None
        if self._body is not None:
            body = self._body.render(values, moment).encode()
            if not isinstance(self._auth.body, str):
                headers += (("Content-Type", "application/json"),)
        with self._lock:
            answer = self._client.send(
                self._auth.method, url, _merged(headers, given), body
            )
        found = self._values(answer)
        secrets = tuple(text_of(value) for value in found.values())
        return Credentials(values=found, secrets=secrets)

    def _values(self, answer: Answer) -> dict[str, Any]:
        if not answer.ok:
            answer.refuse()
        reply = answer.json()
        found = {name: path.first(reply) for name, path in self._paths}
        for name, value in found.items():
            if value is MISSING or value is None:
                msg = (
                    f"auth.values.{name}: the reply of {answer.where} has nothing at "
                    "this path; check the path, and that the request is granted"
                )
                raise CredentialError(msg)
        return found

    def refresh(self, stale: Credentials) -> bool:  # noqa: ARG002 - protocol
        """Each attempt calls anew."""
        return True


def _merged(default: Headers, given: Headers) -> Headers:
    """Return headers, of which the given ones win whatever their case."""
    names = {name.lower() for name, _ in given}
    return (*(item for item in default if item[0].lower() not in names), *given)
