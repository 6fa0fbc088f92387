"""HTTP requests of the config, with placeholders in URL, headers and body."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tap_websocket.expressions.rendering import (
    has_fixed_origin,
    render_headers,
    render_url,
)
from tap_websocket.expressions.templates import Template, names_in, texts_in
from tap_websocket.network.urls import Headers, merge_headers, split_userinfo

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from tap_websocket.expressions.placeholders import MessageBuiltins
    from tap_websocket.http.answer import Answer
    from tap_websocket.http.client import HttpClient
    from tap_websocket.jsontext import JsonValue

__all__ = ["FilledRequest", "HttpRequest"]

_SCHEMES = ("http", "https")


class FilledRequest(NamedTuple):
    """A request as it is sent.

    Attributes:
        url: Without user-info.
        headers: Besides those of the client.
    """

    method: str
    url: str
    headers: Headers = ()
    body: bytes | None = None


class HttpRequest:
    """A request, compiled once.

    Args:
        where: Where it stands in the config, for errors.
        url: `http://` or `https://`; user-info in it is sent as Basic credentials.
        method: The HTTP method.
        headers: They win over those that are added.
        body: A string, sent as it is; another JSON value; None for no body.
        declared: The names that are placeholders in the body; all of them by default.
    """

    def __init__(  # noqa: PLR0913 - what a request is made of, by keyword
        self,
        where: str,
        *,
        url: str,
        method: str = "POST",
        headers: Headers = (),
        body: JsonValue = None,
        declared: Collection[str] | None = None,
    ) -> None:
        self.where = where
        self._url = url
        self._method = method
        self._headers = headers
        self._is_json = body is not None and not isinstance(body, str)
        self._body: Template | None = None
        if body is not None:
            known = names_in(body) if declared is None else declared
            self._body = Template(body, known)
        self._texts = (url, *(value for _, value in headers), *texts_in(body))

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not show in any output: the headers' values, the body's texts."""
        return self._texts[1:]

    @property
    def names(self) -> frozenset[str]:
        """The names of the placeholders in it."""
        return frozenset(name for text in self._texts for name in names_in(text))

    def send(
        self, client: HttpClient, values: Mapping[str, Any], moment: MessageBuiltins
    ) -> Answer:
        """Fill the placeholders in, send the request, and return the answer. Blocks.

        Args:
            client: Sends it.
            values: The values of placeholders.
            moment: The built-in placeholders of this request.

        Raises:
            TransientHttpError: When another try may succeed (`HttpClient.send`).
            CredentialError: When it cannot.
            ConnectionFailed: When the placeholders make no URL or header.
        """
        return client.send(*self.fill_in(values, moment))

    def fill_in(
        self, values: Mapping[str, Any], moment: MessageBuiltins
    ) -> FilledRequest:
        """Return the request with the placeholders filled in.

        Raises:
            ConnectionFailed: When the placeholders make no URL or header.
        """
        url, userinfo = split_userinfo(self.address(values, moment))
        headers = render_headers(
            self._headers, values, moment, where=f"{self.where}.headers"
        )
        body = None
        if self._body is not None:
            body = self._body.render(values, moment).encode()
        added = (*userinfo, *self._content_type())
        return FilledRequest(self._method, url, merge_headers(added, headers), body)

    @property
    def has_fixed_origin(self) -> bool:
        """Whether scheme, host and port of the URL hold no placeholder."""
        return has_fixed_origin(self._url)

    def address(self, values: Mapping[str, Any], moment: MessageBuiltins) -> str:
        """Return the URL with its placeholders filled in, user-info included.

        Raises:
            ConnectionFailed: When it is none.
        """
        return render_url(
            self._url, values, moment, where=f"{self.where}.url", schemes=_SCHEMES
        )

    def _content_type(self) -> Iterator[tuple[str, str]]:
        if self._is_json:
            yield "Content-Type", "application/json"
