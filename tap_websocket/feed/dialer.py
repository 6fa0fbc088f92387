"""From the settings to a handshake: addresses, credentials, and a second try."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from tap_websocket.auth.authenticator import Authenticator
from tap_websocket.auth.credentials import Credentials
from tap_websocket.expressions.rendering import (
    has_fixed_origin,
    render_headers,
    render_subprotocols,
    render_url,
)
from tap_websocket.feed.handshakes import Handshakes, within
from tap_websocket.feed.threads import in_thread
from tap_websocket.feed.throttle import ConnectThrottle
from tap_websocket.feed.trust import TrustedOrigins, without_credentials
from tap_websocket.http.client import HttpClient
from tap_websocket.network.cookies import Cookies
from tap_websocket.network.errors import (
    REFUSES_CREDENTIALS,
    BadHandshake,
    HandshakeRefused,
)
from tap_websocket.network.tls import make_context
from tap_websocket.network.urls import (
    log_label,
    merge_headers,
    on_the_wire,
    public_url,
    split_userinfo,
)
from tap_websocket.transports.base import Handshake, Listener, Transport
from tap_websocket.transports.select import select_transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tap_websocket.expressions.placeholders import (
        ConnectionBuiltins,
        MessageBuiltins,
        PlaceholderValues,
    )
    from tap_websocket.network.urls import Headers
    from tap_websocket.settings import Settings

__all__ = ["Address", "Dialer"]

_LOGGER = logging.getLogger("tap-websocket")


class Address(msgspec.Struct, frozen=True):
    """The parts of a connection attempt's URL that hold no secret.

    Attributes:
        label: Scheme, host and port, for logs.
        public: Those and the path, for the envelope: as they were configured, with
            the names of placeholders, since their values may be secrets.
    """

    label: str
    public: str


class _Attempt(NamedTuple):
    """What `Dialer.dial` was given, and the values of one message."""

    url: str
    values: PlaceholderValues
    moment: MessageBuiltins
    listener: Listener
    dialing: Callable[[Address], None]


class Dialer:
    """Opens connections for a run, each within `connect_timeout`.

    Made within the running loop.

    Args:
        settings: All settings.
        learn: Takes fetched and signed values, which are secrets.
        transport: Carries the connections, in place of what `transport` says.

    Attributes:
        label: What logs call the feed before the first attempt.
        learn: As it was given.

    Raises:
        ConfigError: When the transport that is asked for cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        learn: Callable[[Iterable[str]], None],
        transport: Transport | None = None,
    ) -> None:
        connection = settings.connection
        self._settings = settings
        self.learn = learn
        self._given_transport = transport
        # Connections that the transport was chosen for; none yet.
        self._expected = -1
        # Where topics are fetched, `expect` corrects their number.
        self.expect(len(settings.connections()) * settings.continuity.redundancy)
        self._trusted = TrustedOrigins(settings)
        self._throttle = ConnectThrottle(interval=settings.topics.connect_interval)
        self._handshakes = Handshakes(
            connection, trusted=self._trusted, throttle=self._throttle, learn=learn
        )
        self._authenticator = Authenticator(
            settings.auth,
            HttpClient(
                connection.connect_timeout,
                connection.proxy,
                lambda: make_context(connection.tls),
            ),
        )
        self.label = "the feed"
        if has_fixed_origin(connection.url):
            self.label = log_label(connection.url)

    def expect(self, connections: int) -> None:
        """Choose the transport for a number of connections of the run."""
        if connections == self._expected:
            return
        self._expected = connections
        connection = self._settings.connection
        self._transport = self._given_transport or select_transport(
            connection.transport,
            compression=connection.compression,
            connections=max(1, connections),
        )

    async def dial(
        self,
        url: str,
        values: PlaceholderValues,
        live: ConnectionBuiltins,
        listener: Listener,
        dialing: Callable[[Address], None],
    ) -> None:
        """Open a connection: credentials resolved, redirects followed.

        Credentials that are refused (401, 403) are refreshed once, where there is
        anything to refresh.

        Args:
            url: The address, with placeholders.
            values: The values of placeholders; what `auth` offers is put into them.
            live: Makes the values that are always there.
            listener: Is called back from now on.
            dialing: Takes the address, before the handshake.

        Raises:
            HandshakeError: One of its subclasses, for whatever went wrong.
            TapError: When there are no credentials to be had, or no URL.
        """
        async with self._throttle:
            # Times are those of the attempt, which may have waited for its turn.
            attempt = _Attempt(url, values, live.moment(), listener, dialing)
            try:
                await self._try(attempt)
            except HandshakeRefused as refused:
                is_about_them = refused.status in REFUSES_CREDENTIALS
                if not (is_about_them and self._forget(values)):
                    raise
            else:
                return
            await self._throttle.turn()
            await self._try(attempt._replace(moment=live.moment()))

    async def refresh(
        self, values: PlaceholderValues, live: ConnectionBuiltins
    ) -> bool:
        """Replace credentials that a server refused after the handshake.

        Args:
            values: The values of placeholders; what `auth` offers is put into them.
            live: Makes the values that are always there.

        Returns:
            Whether there are others, so that another try makes sense.

        Raises:
            TransientHttpError: When a token request failed in a way that may pass.
            TapError: When there are no credentials to be had.
        """
        if not self._forget(values):
            return False
        await self._credentials(values, live.moment())
        return True

    def _forget(self, values: PlaceholderValues) -> bool:
        """Forget credentials that were refused; return whether there may be others."""
        return self._authenticator.refresh(Credentials(values=values.offered))

    async def _try(self, attempt: _Attempt) -> None:
        """Make one attempt with fresh credentials."""
        if self._authenticator.blocks:
            attempt.listener.waiting("no answer to the request of auth")
        credentials = await self._credentials(attempt.values, attempt.moment)
        await self._connect(attempt, credentials)

    async def _credentials(
        self, values: PlaceholderValues, moment: MessageBuiltins
    ) -> Credentials:
        """Resolve the credentials; what has to be fetched blocks another thread."""
        if self._authenticator.blocks:
            credentials = await in_thread(
                lambda: self._authenticator.credentials(values, moment),
            )
        else:
            credentials = self._authenticator.credentials(values, moment)
        self.learn(credentials.secrets)

        def mint(moment: MessageBuiltins) -> Mapping[str, Any]:
            minted = self._authenticator.mint(values, moment)
            self.learn(minted.secrets)
            return minted.values

        values.authenticate(
            credentials.values, mint if self._authenticator.mints else None
        )
        return credentials

    async def _connect(self, attempt: _Attempt, credentials: Credentials) -> None:
        connection = self._settings.connection
        values, moment, dialing = attempt.values, attempt.moment, attempt.dialing
        url, userinfo = _address(render_url(attempt.url, values, moment))
        public = public_url(attempt.url)
        dialing(Address(log_label(url), public))
        if url.startswith("wss:") and not connection.tls.verify:
            _LOGGER.warning(
                "The certificate of %s is not checked (tls.verify: false)",
                log_label(url),
            )
        headers = render_headers(connection.headers, values, moment)
        if credentials.sign_url is not None:
            url = credentials.sign_url(url)
            self.learn((urlsplit(url).query,))
        merged = merge_headers(headers, userinfo, credentials.headers)
        if not self._trusted.has_resolved(url, values, moment):
            merged = without_credentials(merged, log_label(url))
        handshake = Handshake(
            url=url,
            headers=merged,
            subprotocols=render_subprotocols(connection.subprotocols, values, moment),
            server_name=connection.tls.server_name,
            compression=connection.compression,
            max_message_bytes=connection.max_message_bytes,
            close_timeout=connection.close_timeout,
            checks_text=not self._settings.decoding.takes_any_text,
        )
        cookies = Cookies()
        cookies.take(*credentials.cookies)
        opening = self._handshakes.perform(
            self._transport,
            handshake,
            attempt.listener,
            cookies=cookies,
            redirected=lambda label: dialing(Address(label, public)),
            has_values=bool(credentials.values) or self._authenticator.mints,
        )
        await within(connection.connect_timeout, opening)


def _address(url: str) -> tuple[str, Headers]:
    """Return a URL as it goes over the wire, and the user-info that it had.

    Raises:
        BadHandshake: When it is none, which placeholders can make of it.
    """
    try:
        return split_userinfo(on_the_wire(url))
    except ValueError as error:
        msg = f"url: {error}"
        raise BadHandshake(msg) from error
