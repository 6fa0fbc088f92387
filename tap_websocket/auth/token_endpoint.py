"""Calls of a token endpoint, whose JSON reply holds values for placeholders."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from tap_websocket.auth.credentials import Credentials
from tap_websocket.errors import CredentialError
from tap_websocket.expressions.jsonpath import compile_path
from tap_websocket.http.answer import TransientHttpError
from tap_websocket.http.request import HttpRequest
from tap_websocket.jsontext import text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_websocket.auth.types import TokenEndpoint
    from tap_websocket.expressions.placeholders import MessageBuiltins
    from tap_websocket.http.answer import Answer
    from tap_websocket.http.client import HttpClient

__all__ = ["TokenRequests"]


class TokenRequests:
    """Calls the endpoint for each connection attempt, one call at a time.

    Args:
        auth: The setting.
        client: Sends the requests.

    Raises:
        ValueError: When one of its `values` is not a JSONPath.
    """

    blocks = True

    def __init__(self, auth: TokenEndpoint, client: HttpClient) -> None:
        self._auth = auth
        self._client = client
        # Feeds count token requests, and a hundred connections may wait for one.
        self._lock = threading.Lock()
        self._request = HttpRequest(
            "auth",
            url=auth.url,
            method=auth.method,
            headers=auth.given,
            body=auth.body,
        )
        # Whether a call had all the values: what they were configured for is right.
        self._succeeded = False
        self._paths = [(name, compile_path(path)) for name, path in auth.values]

    def credentials(
        self, values: Mapping[str, Any], moment: MessageBuiltins
    ) -> Credentials:
        """Call the endpoint, and return the values of its reply.

        Raises:
            TransientHttpError: When the call failed in a way that may pass.
            CredentialError: When it was refused, or has not all the values and never
                had.
            ConnectionFailed: When the placeholders of its URL or headers make no URL or
                header.
        """
        with self._lock:
            answer = self._request.send(self._client, values, moment)
        try:
            found = self._values(answer)
        except CredentialError as error:
            if not self._succeeded or not answer.ok:
                raise
            # The paths are right, so the reply is an exception: a maintenance page.
            raise TransientHttpError(str(error)) from error
        self._succeeded = True
        secrets = tuple(text_of(value) for value in found.values())
        cookies = answer.url, answer.cookies
        return Credentials(values=found, secrets=secrets, cookies=cookies)

    def _values(self, answer: Answer) -> dict[str, Any]:
        """Return the values that the paths find in a reply.

        Raises:
            CredentialError: When one finds nothing, or the call was refused.
        """
        if not answer.ok:
            answer.refuse()
        return answer.values("auth.values", self._paths)

    def refresh(self, stale: Credentials) -> bool:  # noqa: ARG002 - protocol
        """Return True: each attempt calls anew."""
        return True
