"""The setting `proxy`: which proxy leads to a server, and what its URL says."""

from __future__ import annotations

import importlib.util
import urllib.request
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from requests.utils import get_environ_proxies, select_proxy

from tap_websocket.errors import extra_needed
from tap_websocket.logs import Redacted
from tap_websocket.network.urls import as_http, userinfo_secrets

if TYPE_CHECKING:
    from urllib.parse import SplitResult

__all__ = ["Proxy", "check_proxy", "parse_proxy", "proxy_for", "proxy_secrets"]

_NONE = "none"
_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
_SOCKS_MODULES = ("python_socks", "socks")
_MAX_SOCKS_CHARACTERS = 255
"""Length of a user name or password: one octet holds it (RFC 1929, section 2)."""


class Proxy(Redacted, frozen=True):
    """What a proxy's URL says.

    Attributes:
        scheme: `http` or `https` (CONNECT, RFC 9110), `socks5` (RFC 1928) with names
            resolved here, or `socks5h` with names resolved by the proxy.
        username: None when the proxy wants no credentials.
        password: Empty where none was given.
    """

    scheme: str
    host: str
    port: int
    username: str | None = None
    password: str = ""

    @property
    def is_socks(self) -> bool:
        """Whether it is a SOCKS proxy, and not an HTTP one."""
        return self.scheme.startswith("socks")


def proxy_for(url: str, setting: str | None) -> str | None:
    """Return the URL of the proxy that leads to a server, or None for a direct way.

    Without a setting the environment decides, as for the token requests: `ws://` goes
    by `http_proxy`, `wss://` by `https_proxy`, both else by `all_proxy`, and
    `no_proxy` names the exceptions. A proxy there needs no `http://`.

    Args:
        url: `ws://` or `wss://`.
        setting: The setting `proxy`: a URL, `none`, or None when it is not given.
    """
    if setting is not None:
        return None if setting == _NONE else setting
    target = as_http(url)
    found = select_proxy(target, get_environ_proxies(target))
    return _with_scheme(found) if found else None


def check_proxy(text: str) -> str | None:
    """Return what is wrong with a value of the setting `proxy`, or None.

    The line does not show the value: it may hold a password.
    """
    if text == _NONE:
        return None
    try:
        parse_proxy(text)
    except ValueError as error:
        return str(error)
    return None


def parse_proxy(text: str) -> Proxy:
    """Read a proxy's URL.

    Raises:
        ValueError: When it is none that can be used, in a line without the URL.
    """
    try:
        parts = urlsplit(text)
        given = parts.port
    except ValueError as error:
        msg = "is not a URL; percent-encode what is special in user name and password"
        raise ValueError(msg) from error
    if parts.scheme not in _PORTS:
        msg = "must be http://, https://, socks5:// or socks5h://, or none"
        raise ValueError(msg)
    if not parts.hostname:
        msg = f"names no host; write {parts.scheme}://host:port"
        raise ValueError(msg)
    try:
        parts.hostname.encode("idna")
    except UnicodeError:
        msg = "names a host that cannot be looked up; check the host"
        # The cause would show it.
        raise ValueError(msg) from None
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        msg = "must end with host and port; a path means nothing to a proxy"
        raise ValueError(msg)
    username, password = _credentials(parts)
    port = given or _PORTS[parts.scheme]
    proxy = Proxy(parts.scheme, parts.hostname, port, username, password)
    _check_credentials(proxy)
    if proxy.is_socks and not all(map(importlib.util.find_spec, _SOCKS_MODULES)):
        msg = f"SOCKS {extra_needed('socks')}"
        raise ValueError(msg)
    return proxy


def proxy_secrets(setting: str | None) -> tuple[str, ...]:
    """Return what must not show of a proxy's user-info, in each form that it takes.

    Args:
        setting: The setting `proxy`; None stands for every proxy in the environment.
    """
    if setting is not None:
        return _secrets(setting)
    found = map(_with_scheme, urllib.request.getproxies().values())
    return tuple(secret for proxy in found for secret in _secrets(proxy))


def _with_scheme(proxy: str) -> str:
    return proxy if "://" in proxy else f"http://{proxy}"


def _credentials(parts: SplitResult) -> tuple[str | None, str]:
    if parts.username is None:
        return None, ""
    try:
        return (
            unquote(parts.username, errors="strict"),
            unquote(parts.password or "", errors="strict"),
        )
    except UnicodeDecodeError:
        msg = "has a user name or password that is not percent-encoded UTF-8"
        # The cause would show it.
        raise ValueError(msg) from None


def _check_credentials(proxy: Proxy) -> None:
    """Refuse credentials that the proxy's protocol cannot carry (RFC 7617, RFC 1929).

    Raises:
        ValueError: When it cannot.
    """
    if proxy.username is None:
        return
    if not proxy.is_socks:
        if ":" in proxy.username:
            msg = "has a user name with a colon, which HTTP cannot carry"
            raise ValueError(msg)
        return
    for text in (proxy.username, proxy.password):
        if not text or not text.isascii() or len(text) > _MAX_SOCKS_CHARACTERS:
            msg = "must have a user name and a password of 1 to 255 ASCII characters"
            raise ValueError(msg)


def _secrets(proxy: str) -> tuple[str, ...]:
    try:
        return userinfo_secrets(proxy)
    except ValueError:
        userinfo, _, _ = proxy.partition("://")[2].rpartition("@")
        return tuple(userinfo.split(":", 1))
