"""OAuth 2 (RFC 6749): one access token for all connections of a run."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlencode

from tap_websocket.auth.credentials import Bearer, Credentials, OAuth2
from tap_websocket.errors import CredentialError
from tap_websocket.jsontext import InvalidJson, parse
from tap_websocket.network.urls import Headers, split_userinfo

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_websocket.auth.token_client import Answer, TokenClient
    from tap_websocket.expressions.placeholders import MessageBuiltins

__all__ = ["MARGIN_SECONDS", "AccessTokens"]

MARGIN_SECONDS = 30.0
"""A token is not used in the last seconds before it expires."""

_Way = Literal["header", "body", "raw header"]
_WAYS: tuple[_Way, ...] = ("header", "body", "raw header")
"""Where servers look for the client's secret, tried once in this order.

All have to take it in a header (RFC 6749, section 2.3.1); but there are those that
take it in the body only, and those that do not decode what that section encodes.
"""

_FORM = ("Content-Type", "application/x-www-form-urlencoded")
_REFUSED = frozenset({400, 401})

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
    """Fetches a token when there is none, and keeps it while it is good.

    It is used until 30 s before it expires, or until it was refused.
    """

    def __init__(
        self,
        auth: OAuth2,
        client: TokenClient,
        clock: Callable[[], float],
    ) -> None:
        """Make the cache; it is empty."""
        self._auth = auth
        self._client = client
        self._clock = clock
        self._url, _ = split_userinfo(auth.token_url)
        self._request = threading.Lock()
        self._state = threading.Lock()
        self._token: str | None = None
        self._good_until: float | None = None
        self._refresh_token = auth.refresh_token
        encoded = auth.client_headers(encoded=True)
        differ = encoded != auth.client_headers(encoded=False)
        self._ways = _WAYS if differ else _WAYS[:2]

    def credentials(
        self,
        values: Mapping[str, Any],  # noqa: ARG002 - protocol
        moment: MessageBuiltins,  # noqa: ARG002 - protocol
    ) -> Credentials:
        """Return the token, as a header and a value.

        Raises:
            TokenUnavailable: When a request failed in a way that may pass.
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
        """Forget a token that was refused, unless there is a newer one already."""
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
        """Send the request, the client's secret where this server looks for it."""
        for way in self._ways:
            answer = self._send(way)
            if answer.ok:
                self._ways = (way,)
                break
            if not _is_about_client(answer):
                break
        return answer

    def _send(self, way: _Way) -> Answer:
        auth = self._auth
        form = {"grant_type": "client_credentials"}
        if self._refresh_token:
            form = {"grant_type": "refresh_token", "refresh_token": self._refresh_token}
        form |= {"scope": auth.scope} if auth.scope else {}
        form |= {"audience": auth.audience} if auth.audience else {}
        headers: Headers = (_FORM,)
        if way == "body":
            form |= {"client_id": auth.client_id, "client_secret": auth.client_secret}
        else:
            headers += auth.client_headers(encoded=way == "header")
        return self._client.send("POST", self._url, headers, urlencode(form).encode())

    def _reply(self, answer: Answer) -> dict[str, Any]:
        """Return the reply of a request that gave a token."""
        if not answer.ok:
            answer.refuse(_REASONS.get(_error_code(answer), "check auth"))
        reply = answer.json()
        token = reply.get("access_token") if isinstance(reply, dict) else None
        if not isinstance(token, str) or not token.isprintable() or not token:
            msg = f"the token reply of {answer.where} has no access_token; check auth"
            raise CredentialError(msg)
        return dict(reply)


def _is_about_client(answer: Answer) -> bool:
    return answer.status in _REFUSED and _error_code(answer) not in _NOT_THE_CLIENT


def _error_code(answer: Answer) -> str:
    """Return the error code in a refusal, if it has one."""
    try:
        reply = parse(answer.body)
    except InvalidJson:
        return ""
    code = reply.get("error") if isinstance(reply, dict) else None
    return code if isinstance(code, str) else ""


def _seconds(value: object) -> float | None:
    """Return the lifetime that a reply states, which some servers write as text."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return float(value)
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return float(value)
    return None
