"""From the settings to an open connection: placeholders, credentials, redirects."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tap_websocket import retry, templates
from tap_websocket.auth import split_userinfo
from tap_websocket.transports.base import (
    BadHandshake,
    Handshake,
    HandshakeRefused,
    Listener,
    Unreachable,
)
from tap_websocket.transports.choice import choose

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tap_websocket.settings import Settings

__all__ = ["Dialer"]

_LOGGER = logging.getLogger("tap-websocket")
_AFTER_REDIRECT = frozenset({"user-agent"})


class Dialer:
    """Opens connections for a run, each within `connect_timeout`."""

    def __init__(self, settings: Settings) -> None:
        """Make a dialer of the settings."""
        self._settings = settings
        self._transport = choose(settings.connection, len(settings.contexts) or 1)
        self.label = label(settings.connection.url)

    def public_url(self, values: Mapping[str, str]) -> str:
        """Return the URL for the envelope: no user-info, query or fragment."""
        url, _ = split_userinfo(
            templates.fill_url(self._settings.connection.url, values)
        )
        return urlsplit(url)._replace(query="", fragment="").geturl()

    def subscription(self, values: Mapping[str, str]) -> Iterator[str]:
        """Return the subscribe messages, filled in."""
        for item in self._settings.subscribe_messages:
            yield templates.fill(item.message, values)

    def _handshake(self, values: Mapping[str, str]) -> Handshake:
        connection = self._settings.connection
        url, userinfo = split_userinfo(templates.fill_url(connection.url, values))
        extra = [
            (name, templates.fill(value, values)) for name, value in connection.headers
        ]
        return Handshake(
            url=url,
            headers=_merged(extra, userinfo, self._settings.auth.headers()),
            max_message_bytes=connection.max_message_bytes,
            close_timeout=connection.close_timeout,
        )

    async def dial(self, values: Mapping[str, str], listener: Listener) -> None:
        """Open a connection, redirects followed.

        Args:
            values: The context's values, for placeholders.
            listener: Is called back from now on.

        Raises:
            HandshakeError: One of its subclasses, for whatever went wrong.
        """
        timeout = self._settings.connection.connect_timeout
        try:
            async with asyncio.timeout(timeout):
                await self._follow(self._handshake(values), listener)
        except TimeoutError as error:
            msg = f"no answer within {timeout:g} s (connect_timeout)"
            raise Unreachable(msg) from error

    async def _follow(self, handshake: Handshake, listener: Listener) -> None:
        for _ in range(retry.MOST_REDIRECTS + 1):
            try:
                await self._transport.connect(handshake, listener)
            except HandshakeRefused as refused:
                target = retry.redirect(handshake.url, refused)
                if target is None:
                    raise
                handshake = _redirected(handshake, target)
                _LOGGER.info("Redirected to %s", label(target))
            else:
                return
        msg = f"more than {retry.MOST_REDIRECTS} redirects"
        raise BadHandshake(msg)


def label(url: str) -> str:
    """Return what a log may say of a URL: scheme, host and port."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{host}{port}"


def _merged(*sources: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Merge headers whatever their case; the later source wins."""
    merged = {
        name.lower(): (name, value) for source in sources for name, value in source
    }
    return tuple(merged.values())


def _redirected(handshake: Handshake, target: str) -> Handshake:
    """Return the next handshake; credentials stay behind at another origin."""
    headers = handshake.headers
    if not retry.same_origin(handshake.url, target):
        headers = tuple(
            (name, value) for name, value in headers if name.lower() in _AFTER_REDIRECT
        )
    return dataclasses.replace(handshake, url=target, headers=headers)
