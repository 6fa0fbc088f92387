"""Credentials that are signed here, and anew for each message: they hold the time."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from tap_websocket import jsontext
from tap_websocket.auth.aws import AwsSigner, Keys
from tap_websocket.auth.credentials import Credentials
from tap_websocket.auth.jwt import JwtSigner
from tap_websocket.auth.keys import decode_secret, make_signer
from tap_websocket.expressions.placeholders import iso_time
from tap_websocket.expressions.rendering import render_url
from tap_websocket.expressions.templates import Template, names_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_websocket.auth.types import Aws, Jwt, Signed
    from tap_websocket.expressions.placeholders import MessageBuiltins

__all__ = ["AwsSignatures", "Signatures", "Tokens"]


class Signatures:
    """Signs a template that holds the time (`signed`).

    Args:
        auth: The setting.

    Raises:
        ValueError: When its secret is not what `secret_encoding` says, or its key not
            one of the algorithm.
    """

    blocks = False

    def __init__(self, auth: Signed) -> None:
        self._auth = auth
        key = auth.key.encode()
        if auth.algorithm == "hmac":
            key = decode_secret(auth.secret, auth.secret_encoding)
        self._sign = make_signer(auth.algorithm, key, auth.hash)
        self._template = Template(auth.template, names_in(auth.template))

    def credentials(
        self, values: Mapping[str, Any], moment: MessageBuiltins
    ) -> Credentials:
        """Return the timestamp and the signature of a moment."""
        timestamp = self._timestamp(moment.now + self._auth.timestamp_offset)
        message = self._template.render({**values, "timestamp": timestamp}, moment)
        signed = self._sign(message.encode())
        signature = signed.hex()
        if self._auth.encoding == "base64":
            signature = base64.b64encode(signed).decode("ascii")
        return Credentials(
            values={"timestamp": timestamp, "signature": signature},
            secrets=(signature,),
        )

    def mint(self, values: Mapping[str, Any], moment: MessageBuiltins) -> Credentials:
        """Return others, for a message: servers refuse old ones."""
        return self.credentials(values, moment)

    def _timestamp(self, seconds: float) -> str:
        match self._auth.timestamp:
            case "s":
                return str(int(seconds))
            case "ms":
                return str(int(seconds * 1000))
            case "iso":
                return iso_time(seconds)

    def refresh(self, stale: Credentials) -> bool:  # noqa: ARG002 - protocol
        """Return False: the secret stays the same."""
        return False


class Tokens:
    """Makes JSON Web Tokens (`jwt`).

    Args:
        auth: The setting.

    Raises:
        ValueError: When its key is not one of the algorithm.
    """

    blocks = False

    def __init__(self, auth: Jwt) -> None:
        self._auth = auth
        self._signer = JwtSigner(auth.key.encode(), auth.algorithm)
        self._headers = Template(auth.given, names_in(auth.given))
        self._claims = Template(auth.claims, names_in(auth.claims))

    def credentials(
        self, values: Mapping[str, Any], moment: MessageBuiltins
    ) -> Credentials:
        """Return a token that begins now.

        Raises:
            CredentialError: When no token can have the headers.
        """
        token = self._signer.token(
            # PyJWT writes no Decimal.
            json.loads(self._headers.render(values, moment)),
            jsontext.parse(self._claims.render(values, moment)),
            now=moment.now,
            lifetime=self._auth.lifetime,
        )
        return Credentials(values={"jwt": token}, secrets=(token,))

    def mint(self, values: Mapping[str, Any], moment: MessageBuiltins) -> Credentials:
        """Return another token, for a message."""
        return self.credentials(values, moment)

    def refresh(self, stale: Credentials) -> bool:  # noqa: ARG002 - protocol
        """Return False: the key stays the same."""
        return False


class AwsSignatures:
    """Signs URLs and headers for AWS (`aws`).

    Args:
        auth: The setting.

    Raises:
        ValueError: When the extra is missing.
    """

    # The machine it runs on may be asked for keys over HTTP.
    blocks = True

    def __init__(self, auth: Aws) -> None:
        self._auth = auth
        self._signer = AwsSigner(auth.service, auth.region)
        self._bodies = [
            (name, Template(body, names_in(body))) for name, body in auth.bodies
        ]
        # Those of the last handshake: to find them may block, which a message must not.
        self._keys = Keys(auth.access_key, auth.secret_key, auth.session_token)

    def credentials(
        self, values: Mapping[str, Any], moment: MessageBuiltins
    ) -> Credentials:
        """Find the keys, and return what signs the URL, or signed headers.

        Raises:
            CredentialError: When there are no keys.
        """
        if not self._auth.access_key:
            self._keys = self._signer.find_keys(self._auth.profile)
        keys, signed = self._keys, self.mint(values, moment)
        given = filter(None, (keys.access_key, keys.secret_key, keys.token))
        return Credentials(
            values=signed.values,
            secrets=(*given, *signed.secrets),
            sign_url=self._presigns(keys, moment.now),
        )

    def _presigns(self, keys: Keys, now: float) -> Callable[[str], str] | None:
        """Return what signs the URL; None where signed headers stand in its place."""
        if self._auth.http_url is not None:
            return None
        return lambda url: self._signer.presign(url, keys, now)

    def mint(self, values: Mapping[str, Any], moment: MessageBuiltins) -> Credentials:
        """Return signed headers for a message, by the keys of the last handshake."""
        headers = self._signed_headers(values, moment)
        signatures = (
            one["Authorization"].rpartition("=")[2] for one in headers.values()
        )
        return Credentials(values=headers, secrets=tuple(signatures))

    def _signed_headers(
        self, values: Mapping[str, Any], moment: MessageBuiltins
    ) -> dict[str, dict[str, str]]:
        if self._auth.http_url is None:
            return {}
        url = render_url(
            self._auth.http_url,
            values,
            moment,
            where="auth.http_url",
            schemes=("http", "https"),
        )
        return {
            name: self._signer.headers(
                url, body.render(values, moment).encode(), self._keys, moment.now
            )
            for name, body in self._bodies
        }

    def refresh(self, stale: Credentials) -> bool:  # noqa: ARG002 - protocol
        """Return whether there may be other keys: temporary ones expire."""
        return not self._auth.access_key
