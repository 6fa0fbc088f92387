"""OAuth 2 (RFC 6749): one access token for all connections of a run."""

from __future__ import annotations

import math
import threading
from decimal import Decimal
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlencode

from tap_websocket.auth.credentials import Credentials
from tap_websocket.auth.types import Bearer, OAuth2
from tap_websocket.errors import CredentialError
from tap_websocket.jsontext import InvalidJson, parse
from tap_websocket.network.urls import Headers, split_userinfo

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_websocket.expressions.placeholders import MessageBuiltins
    from tap_websocket.http.answer import Answer
    from tap_websocket.http.client import HttpClient

__all__ = ["MARGIN_SECONDS", "AccessTokens"]

MARGIN_SECONDS = 30.0
"""A token is not used in the last seconds before it expires."""

_Method = Literal[
    "client_secret_basic", "client_secret_post", "client_secret_basic_raw"
]
_METHODS: tuple[_Method, ...] = (
    "client_secret_basic",
    "client_secret_post",
    "client_secret_basic_raw",
)
"""Where servers look for the client's secret, tried once in this order.

The first two are registered (RFC 7591, section 2): every server has to take the secret
in a header (RFC 6749, section 2.3.1), but some take it in the body only. Others do not
decode the form encoding of that header, which is then sent raw.
"""

_FORM = ("Content-Type", "application/x-www-form-urlencoded")
_CLIENT_REFUSED = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED})
"""Statuses of a refused client: 401 by RFC 6749, section 5.2, 400 by many servers."""

_REASONS = {
    "invalid_client": "the server does not know the client; check client_id and "
    "client_secret",
    "invalid_grant": "the refresh token is no longer valid; put a new one into auth",
    "invalid_request": "the server misses something; check auth",
    "invalid_scope": "the scope is not granted; check scope",
    "invalid_target": "the audience is unknown; check audience",
    "unauthorized_client": "the client may not do this; check client_id",
    "unsupported_grant_type": "the server does not do this grant; check token_url",
}
"""The error codes of RFC 6749, section 5.2, and RFC 8707."""

_NOT_THE_CLIENT = frozenset(
    {"invalid_grant", "invalid_scope", "invalid_target", "unsupported_grant_type"},
)


class AccessTokens:
    """Fetches a token when there is none, and keeps it while it is valid.

    A token is used until 30 s before it expires, or until a server refuses it.

    Args:
        auth: The setting.
        client: Sends the token requests.
        clock: Returns the time in seconds, from any start.
    """

    blocks = True

    def __init__(
        self,
        auth: OAuth2,
        client: HttpClient,
        clock: Callable[[], float],
    ) -> None:
        self._auth = auth
        self._client = client
        self._clock = clock
        self._url, _ = split_userinfo(auth.token_url)
        # Held during a request, so that waiting connections share its token.
        self._request = threading.Lock()
        # Guards the three below; never held during a request, as `refresh` is called
        # from the loop's thread.
        self._state = threading.Lock()
        self._token: str | None = None
        # The clock's time from which the token is not used; None where the server did
        # not state its lifetime.
        self._good_until: float | None = None
        # Replaced whenever the server sends a new one (RFC 6749, section 6).
        self._refresh_token = auth.refresh_token
        encoded = auth.client_headers(encoded=True)
        differ = encoded != auth.client_headers(encoded=False)
        # Cut down to the one that worked after the first token.
        self._methods = _METHODS if differ else _METHODS[:2]

    def credentials(
        self,
        values: Mapping[str, Any],  # noqa: ARG002 - protocol
        moment: MessageBuiltins,  # noqa: ARG002 - protocol
    ) -> Credentials:
        """Return the token as a header and as the value `access_token`.

        Raises:
            TransientHttpError: When a request failed in a way that may pass.
            CredentialError: When trying again is no use.
        """
        with self._request:
            token = self._kept() or self._fetched()
        return Credentials(
            headers=Bearer(token).headers(),
            values={"access_token": token},
            secrets=tuple(filter(None, (token, self._refresh_token))),
        )

    def refresh(self, stale: Credentials) -> bool:
        """Forget a token that was refused, unless another connection has replaced it.

        Returns:
            True: a new token can be fetched.
        """
        with self._state:
            if self._token == stale.values.get("access_token"):
                self._token = None
        return True

    def _kept(self) -> str | None:
        with self._state:
            expired = self._good_until is not None and self._clock() > self._good_until
            return None if expired else self._token

    def _fetched(self) -> str:
        asked = self._clock()
        reply = self._reply(self._ask())
        token = reply["access_token"]
        lifetime = _seconds(reply.get("expires_in"))
        with self._state:
            self._token = token
            self._good_until = None
            if lifetime is not None:
                self._good_until = asked + lifetime - MARGIN_SECONDS
            rotated = reply.get("refresh_token")
            if self._refresh_token and isinstance(rotated, str) and rotated:
                self._refresh_token = rotated
        return str(token)

    def _ask(self) -> Answer:
        """Send the request, with the client's secret where this server looks for it."""
        for method in self._methods:
            answer = self._send(method)
            if answer.ok:
                self._methods = (method,)
                break
            if not _is_about_client(answer):
                break
        return answer

    def _send(self, method: _Method) -> Answer:
        auth = self._auth
        form = {"grant_type": "client_credentials"}
        if self._refresh_token:
            form = {"grant_type": "refresh_token", "refresh_token": self._refresh_token}
        form |= {"scope": auth.scope} if auth.scope else {}
        form |= {"audience": auth.audience} if auth.audience else {}
        headers: Headers = (_FORM,)
        if method == "client_secret_post":
            form |= {"client_id": auth.client_id, "client_secret": auth.client_secret}
        else:
            encoded = method == "client_secret_basic"
            headers += auth.client_headers(encoded=encoded)
        return self._client.send("POST", self._url, headers, urlencode(form).encode())

    def _reply(self, answer: Answer) -> dict[str, Any]:
        """Return the reply to a request, which holds a token.

        Raises:
            CredentialError: When it does not, or the request was refused.
        """
        if not answer.ok:
            answer.refuse(_REASONS.get(_error_code(answer), "check auth"))
        reply = answer.json()
        token = reply.get("access_token") if isinstance(reply, dict) else None
        if not isinstance(token, str) or not token.isprintable() or not token:
            msg = f"the token reply of {answer.where} has no access_token; check auth"
            raise CredentialError(msg)
        return dict(reply)


def _is_about_client(answer: Answer) -> bool:
    return (
        answer.status in _CLIENT_REFUSED and _error_code(answer) not in _NOT_THE_CLIENT
    )


def _error_code(answer: Answer) -> str:
    """Return the error code in a refusal, if it has one."""
    try:
        reply = parse(answer.body)
    except InvalidJson:
        return ""
    code = reply.get("error") if isinstance(reply, dict) else None
    return code if isinstance(code, str) else ""


def _seconds(value: object) -> float | None:
    """Return the lifetime that a reply states in seconds; some write it as text."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return None
    if isinstance(value, str) and not (value.isascii() and value.isdigit()):
        return None
    try:
        return float(value)
    except OverflowError:
        # Hundreds of digits: as good as for ever.
        return math.inf
