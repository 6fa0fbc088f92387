"""The setting `auth`: what a user gave, and what of it must never show.

`authenticator` makes credentials of it; what needs no request and no placeholder is
done here.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote_plus, urlsplit

from tap_websocket.expressions.templates import texts_in
from tap_websocket.logs import Redacted
from tap_websocket.network.urls import Headers, _credentials, basic, userinfo_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "Auth",
    "Basic",
    "Bearer",
    "Credentials",
    "Custom",
    "NoAuth",
    "OAuth2",
    "Signed",
    "TokenEndpoint",
    "decode_secret",
]


class Credentials(Redacted, frozen=True):
    """What one connection attempt carries.

    Attributes:
        headers: For the handshake; they win over those of the setting `headers`.
        values: For placeholders.
        secrets: What of these must not show in any output.
    """

    headers: Headers = ()
    values: Mapping[str, Any] = {}
    secrets: tuple[str, ...] = ()


class Auth(Redacted, frozen=True):
    """What the types of `auth` have in common."""

    @property
    def names(self) -> frozenset[str]:
        """The placeholders that the credentials offer."""
        return frozenset()

    @property
    def offers(self) -> Mapping[str, str]:
        """The values of those placeholders, where they are known."""
        return {}

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not show in any output."""
        return ()

    @property
    def texts(self) -> Headers:
        """What may hold placeholders, each after the name of where it stands."""
        return ()

    def headers(self) -> Headers:
        """Return the headers that carry the credentials, where they are known."""
        return ()


class NoAuth(Auth, frozen=True):
    """No credentials."""


class Bearer(Auth, frozen=True):
    """A bearer token (RFC 6750)."""

    token: str

    @property
    def names(self) -> frozenset[str]:
        """The placeholder `{token}`."""
        return frozenset({"token"})

    @property
    def offers(self) -> Mapping[str, str]:
        """The token."""
        return {"token": self.token}

    @property
    def secrets(self) -> tuple[str, ...]:
        """The token."""
        return (self.token,)

    def headers(self) -> Headers:
        """Return the header that carries the token."""
        return (("Authorization", f"Bearer {self.token}"),)


class Custom(Auth, frozen=True):
    """Headers, which may hold placeholders."""

    given: Headers

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values of the headers."""
        return tuple(value for _, value in self.given)

    @property
    def texts(self) -> Headers:
        """The values of the headers."""
        return tuple((f"auth.headers.{name}", value) for name, value in self.given)

    def headers(self) -> Headers:
        """Return the headers, placeholders as they are."""
        return self.given


class Basic(Auth, frozen=True):
    """A user name and a password (RFC 7617), sent as UTF-8."""

    username: str
    password: str

    @property
    def secrets(self) -> tuple[str, ...]:
        """User name and password, also as they are sent."""
        return (self.username, self.password, _credentials(self.headers()))

    def headers(self) -> Headers:
        """Return the header that carries the credentials."""
        return basic(self.username.encode(), self.password.encode())


class OAuth2(Auth, frozen=True):
    """Client credentials, or a refresh token where one is given (RFC 6749)."""

    token_url: str
    client_id: str
    client_secret: str
    scope: str | None = None
    audience: str | None = None
    refresh_token: str | None = None

    @property
    def names(self) -> frozenset[str]:
        """The placeholder `{access_token}`."""
        return frozenset({"access_token"})

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every string of the setting, also as it is sent."""
        given = (
            self.client_id,
            self.client_secret,
            self.scope,
            self.audience,
            self.refresh_token,
        )
        return (
            *(text for text in given if text),
            _credentials(self.client_headers(encoded=True)),
            _credentials(self.client_headers(encoded=False)),
            *_url_secrets(self.token_url),
        )

    def client_headers(self, *, encoded: bool) -> Headers:
        """Return the header that tells the token server who asks (section 2.3.1).

        Args:
            encoded: Both parts are form-encoded first, as that section says.
        """
        client = [self.client_id, self.client_secret]
        if encoded:
            client = [quote_plus(part) for part in client]
        return basic(client[0].encode(), client[1].encode())


class TokenEndpoint(Auth, frozen=True):
    """A call before every connection attempt, whose JSON reply offers values.

    Attributes:
        values: Name to JSONPath into the reply.
        body: A string, sent as it is; another JSON value; None for no body.
    """

    url: str
    values: tuple[tuple[str, str], ...]
    method: str = "POST"
    given: Headers = ()
    body: Any = None

    @property
    def names(self) -> frozenset[str]:
        """The placeholders that `values` names."""
        return frozenset(name for name, _ in self.values)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every string of the setting that the endpoint is sent."""
        return (
            *(value for _, value in self.given),
            *texts_in(self.body),
            *_url_secrets(self.url),
        )

    @property
    def texts(self) -> Headers:
        """The URL, the values of the headers, and each string of the body."""
        return (
            ("auth.url", self.url),
            *((f"auth.headers.{name}", value) for name, value in self.given),
            *(("auth.body", text) for text in texts_in(self.body)),
        )


class Signed(Auth, frozen=True):
    """An HMAC over a template that holds the time (RFC 2104).

    Attributes:
        timestamp_offset: Seconds from now to the timestamp.
    """

    secret: str
    template: str
    hash: Literal["sha256", "sha384", "sha512"] = "sha256"
    encoding: Literal["base64", "hex"] = "base64"
    secret_encoding: Literal["text", "base64"] = "text"  # noqa: S105 - an encoding
    timestamp: Literal["s", "ms", "iso"] = "s"
    timestamp_offset: float = 0.0

    @property
    def names(self) -> frozenset[str]:
        """The placeholders `{timestamp}` and `{signature}`."""
        return frozenset({"timestamp", "signature"})

    @property
    def secrets(self) -> tuple[str, ...]:
        """The secret and the template."""
        return (self.secret, self.template)

    @property
    def texts(self) -> Headers:
        """The template; `{timestamp}` is declared in it, `{signature}` is not."""
        return (("auth.template", self.template),)


def decode_secret(secret: str, encoding: Literal["text", "base64"]) -> bytes:
    """Return the key that the secret of `signed` stands for.

    Raises:
        ValueError: When it is not base64; the message does not show it.
    """
    if encoding == "text":
        return secret.encode()
    try:
        return base64.b64decode(secret, validate=True)
    except (binascii.Error, ValueError) as error:
        msg = "is not base64; check it, or set secret_encoding: text"
        raise ValueError(msg) from error


def _url_secrets(url: str) -> Iterator[str]:
    """Yield what of a token server's URL must not show; scheme and host may."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return
    yield from userinfo_secrets(url)
    if parts.path.strip("/") or parts.query:
        yield url
        yield parts._replace(scheme="", netloc="").geturl()
