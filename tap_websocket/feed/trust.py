"""Which addresses credentials may go to."""

from __future__ import annotations

import collections
import logging
from typing import TYPE_CHECKING

from tap_websocket.errors import ConnectionFailed
from tap_websocket.expressions.rendering import has_fixed_origin, render_url
from tap_websocket.network.urls import as_websocket, same_origin

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from tap_websocket.expressions.placeholders import (
        MessageBuiltins,
        PlaceholderValues,
    )
    from tap_websocket.http.request import HttpRequest
    from tap_websocket.network.urls import Headers
    from tap_websocket.settings import Settings

__all__ = ["TrustedOrigins", "headers_for_anybody", "without_credentials"]

_LOGGER = logging.getLogger("tap-websocket")

_FOR_ANYBODY = frozenset({"accept", "content-type", "user-agent"})


class TrustedOrigins:
    """The origins that the user has named: scheme, host and port.

    An address that a server handed out, by a message, a redirect or the reply of a
    request, may lead anywhere. Credentials go there only where its origin is that of
    `url`, of one of `alternate_urls`, or one of `trusted_origins`.
    """

    def __init__(self, settings: Settings) -> None:
        self._urls = (settings.connection.url, *settings.continuity.alternate_urls)
        self._named = (
            *settings.connection.trusted_origins,
            *filter(has_fixed_origin, self._urls),
        )

    def has(self, url: str) -> bool:
        """Return whether a URL has an origin that the settings name as it is.

        `https` there is what `wss` is in the settings: one server answers both.
        """
        address = as_websocket(url)
        return any(same_origin(address, named) for named in self._named)

    def has_resolved(
        self, url: str, values: PlaceholderValues, moment: MessageBuiltins
    ) -> bool:
        """Return whether a URL that was made of placeholders may be trusted.

        The user names an origin by `placeholders` and `contexts`, too.

        Args:
            url: With its placeholders filled in.
            values: The values of placeholders.
            moment: The values that are always there.
        """
        if self.has(url):
            return True
        return any(same_origin(url, named) for named in self._fixed(values, moment))

    def has_requested(
        self,
        url: str,
        request: HttpRequest,
        values: PlaceholderValues,
        own: Mapping[str, Any],
        moment: MessageBuiltins,
    ) -> bool:
        """Return whether the address of an HTTP request may be trusted.

        The user names its origin in the request; a value that a server gave does not.

        Args:
            url: With its placeholders filled in.
            request: The request as the user gives it.
            values: The values of placeholders.
            own: Values of its own (`{topic}`).
            moment: The values that are always there.
        """
        if request.has_fixed_origin or self.has(url):
            return True
        fixed = collections.ChainMap({**own}, *values.fixed)
        try:
            named = request.address(fixed, moment)
        except ConnectionFailed:
            # Without a captured or fetched value it is no address at all.
            return False
        return same_origin(url, named)

    def _fixed(
        self, values: PlaceholderValues, moment: MessageBuiltins
    ) -> Iterator[str]:
        """Yield the addresses as they are without what was captured or fetched."""
        fixed = collections.ChainMap(*values.fixed)
        for url in self._urls:
            try:
                yield render_url(url, fixed, moment)
            except ConnectionFailed:
                # Without a fetched value it is no address at all.
                continue


def headers_for_anybody(headers: Headers) -> Headers:
    """Return the headers that may go to an origin that is not trusted."""
    return tuple(item for item in headers if item[0].lower() in _FOR_ANYBODY)


def without_credentials(headers: Headers, label: str) -> Headers:
    """Return the headers that may go to an address that a server has named.

    Args:
        headers: Those that are configured, and those of `auth`.
        label: Scheme, host and port of the address, for the log.
    """
    kept = headers_for_anybody(headers)
    if len(kept) < len(headers):
        _LOGGER.warning(
            "A server has named the address %s: headers and the credentials of auth "
            "are not sent there, unless trusted_origins has it",
            label,
        )
    return kept
