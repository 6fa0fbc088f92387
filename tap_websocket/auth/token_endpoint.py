"""Calls of a token endpoint, whose JSON reply holds values for placeholders."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from tap_websocket.auth.credentials import Credentials, TokenEndpoint
from tap_websocket.auth.token_client import TokenUnavailable
from tap_websocket.errors import CredentialError
from tap_websocket.expressions.jsonpath import MISSING, compile_path
from tap_websocket.expressions.rendering import render_headers, render_url
from tap_websocket.expressions.templates import Template, names_in
from tap_websocket.jsontext import text_of
from tap_websocket.network.urls import split_userinfo

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_websocket.auth.token_client import Answer, TokenClient
    from tap_websocket.expressions.placeholders import MessageBuiltins
    from tap_websocket.network.urls import Headers

__all__ = ["TokenRequests"]


class TokenRequests:
    """Calls the endpoint for each connection attempt, one call at a time.

    Args:
        auth: The setting.
        client: Sends the requests.

    Raises:
        ValueError: When one of its `values` is not a JSONPath.
    """

    def __init__(self, auth: TokenEndpoint, client: TokenClient) -> None:
        self._auth = auth
        self._client = client
        # Feeds count token requests, and a hundred connections may wait for one.
        self._lock = threading.Lock()
        self._body = None
        if auth.body is not None:
            self._body = Template(auth.body, names_in(auth.body))
        # Whether a call had all the values: what they were configured for is right.
        self._succeeded = False
        self._paths = [(name, compile_path(path)) for name, path in auth.values]

    def credentials(
        self, values: Mapping[str, Any], moment: MessageBuiltins
    ) -> Credentials:
        """Call the endpoint, and return the values of its reply.

        Raises:
            TokenUnavailable: When the call failed in a way that may pass.
            CredentialError: When it was refused, or has not all the values and never
                had.
            ConnectionFailed: When the placeholders of its URL or headers make no URL or
                header.
        """
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
        try:
            found = self._values(answer)
        except CredentialError as error:
            if not self._succeeded or not answer.ok:
                raise
            # The paths are right, so the reply is an exception: a maintenance page.
            raise TokenUnavailable(str(error)) from error
        self._succeeded = True
        secrets = tuple(text_of(value) for value in found.values())
        return Credentials(values=found, secrets=secrets)

    def _values(self, answer: Answer) -> dict[str, Any]:
        """Return the values that the paths find in a reply.

        Raises:
            CredentialError: When one finds nothing, or the call was refused.
        """
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
        """Return True: each attempt calls anew."""
        return True


def _merged(default: Headers, given: Headers) -> Headers:
    """Return headers, of which the given ones win whatever their case."""
    names = {name.lower() for name, _ in given}
    return (*(item for item in default if item[0].lower() not in names), *given)
