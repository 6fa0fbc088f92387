"""The types of `auth`: what a user gave, and what of it must never show.

`authenticator` makes credentials of it; what needs no request and no placeholder is
done here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote_plus

from tap_websocket.auth.secret_texts import pem_secrets, url_secrets, values_in
from tap_websocket.expressions.templates import texts_in
from tap_websocket.logs import Redacted
from tap_websocket.network.urls import Headers, basic, basic_credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_websocket.auth.keys import Algorithm, Hash
    from tap_websocket.jsontext import JsonValue

__all__ = [
    "Auth",
    "Aws",
    "Basic",
    "Bearer",
    "Custom",
    "Jwt",
    "NoAuth",
    "OAuth2",
    "Signed",
    "TokenEndpoint",
]


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
        return _members("auth.headers", self.given)

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
        return (self.username, self.password, basic_credentials(self.headers()))

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
            basic_credentials(self.client_headers(encoded=True)),
            basic_credentials(self.client_headers(encoded=False)),
            *url_secrets(self.token_url),
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
            *url_secrets(self.url),
        )

    @property
    def texts(self) -> Headers:
        """The URL, the values of the headers, and each string of the body."""
        return (
            ("auth.url", self.url),
            *_members("auth.headers", self.given),
            *_texts("auth.body", self.body),
        )


class Signed(Auth, frozen=True):
    """A signature over a template that holds the time.

    Attributes:
        secret: The key of `hmac`; else empty.
        key: The private key of the other algorithms, in PEM.
        timestamp_offset: Seconds from now to the timestamp.
    """

    secret: str
    template: str
    key: str = ""
    algorithm: Algorithm = "hmac"
    hash: Hash = "sha256"
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
        """The secret or key, and the template."""
        return (*filter(None, [self.secret]), *pem_secrets(self.key), self.template)

    @property
    def texts(self) -> Headers:
        """The template; `{timestamp}` is declared in it, `{signature}` is not."""
        return (("auth.template", self.template),)


class Jwt(Auth, frozen=True):
    """A JSON Web Token (RFC 7519), made anew for each use.

    Attributes:
        key: The secret of the `HS…` algorithms, else a private key in PEM.
        algorithm: Its registered name: `ES256`.
        given: Headers of the token, besides `alg` and `typ`.
        claims: What it says.
        lifetime: Seconds from now to its end.
    """

    key: str
    algorithm: str
    given: Mapping[str, Any] = {}
    claims: Mapping[str, Any] = {}
    lifetime: float = 120.0

    @property
    def names(self) -> frozenset[str]:
        """The placeholder `{jwt}`."""
        return frozenset({"jwt"})

    @property
    def secrets(self) -> tuple[str, ...]:
        """The key, and every string of the headers and claims."""
        return (
            *pem_secrets(self.key),
            *values_in(self.given),
            *values_in(self.claims),
        )

    @property
    def texts(self) -> Headers:
        """Each string of the headers and claims."""
        return (
            *_texts("auth.headers", self.given),
            *_texts("auth.claims", self.claims),
        )


class Aws(Auth, frozen=True):
    """Signature Version 4 of AWS, in the URL of the handshake.

    Attributes:
        profile: Of the AWS configuration files, where no keys are given.
        http_url: Address of the API that signed headers are for.
        bodies: Name to the body, as text, that the signed headers of a placeholder of
            this name are for.
    """

    service: str
    region: str
    access_key: str = ""
    secret_key: str = ""
    session_token: str = ""
    profile: str | None = None
    http_url: str | None = None
    bodies: tuple[tuple[str, str], ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """The placeholders of signed headers."""
        return frozenset(name for name, _ in self.bodies)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The keys."""
        given = (self.access_key, self.secret_key, self.session_token)
        return tuple(filter(None, given))

    @property
    def texts(self) -> Headers:
        """The bodies, and the URL of the API."""
        url = (("auth.http_url", self.http_url),) if self.http_url else ()
        return (*url, *_members("auth.bodies", self.bodies))


def _members(where: str, members: Headers) -> Headers:
    """Return the values of a setting's members, each after the name of its own."""
    return tuple((f"{where}.{name}", value) for name, value in members)


def _texts(where: str, value: JsonValue) -> Headers:
    """Return each string of a setting's value, after the name of the setting."""
    return tuple((where, text) for text in texts_in(value))
