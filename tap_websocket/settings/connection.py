"""The connection's settings: URL, headers, trust, proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tap_websocket.expressions.templates import exemplified
from tap_websocket.network.proxy import check_proxy
from tap_websocket.network.tls import TlsSettings, make_context
from tap_websocket.settings.checks import TOKEN, check_headers, check_placeholders
from tap_websocket.settings.model import ConnectionSettings

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["read_connection"]

_INSTEAD = {"http": "ws", "https": "wss"}


def read_connection(
    config: Mapping[str, Any],
    declared: Collection[str],
    problems: list[str],
) -> ConnectionSettings:
    """Read the connection's settings.

    Args:
        config: All settings, with their types.
        declared: The names that are placeholders.
        problems: Takes one line for each problem.
    """
    _check_url(config["url"], declared, problems)
    check_headers("headers", config["headers"], problems)
    for name, value in config["headers"].items():
        check_placeholders(f"headers: the value of {name}", value, declared, problems)
    _check_subprotocols(config["subprotocols"], problems)
    if config["compression"] and config["transport"] == "picows":
        problems.append(
            "transport: picows has no compression; set it to auto or websockets, or "
            "compression to false",
        )
    return ConnectionSettings(
        url=config["url"],
        headers=tuple(config["headers"].items()),
        subprotocols=tuple(config["subprotocols"]),
        tls=_tls(config["tls"], problems),
        proxy=_proxy(config.get("proxy"), problems),
        connect_timeout=config["connect_timeout"],
        close_timeout=config["close_timeout"],
        compression=config["compression"],
        max_message_bytes=config["max_message_bytes"],
        transport=config["transport"],
    )


def _check_url(url: str, declared: Collection[str], problems: list[str]) -> None:
    check_placeholders("url", url, declared, problems)
    if url.startswith("{"):
        return
    try:
        parts = urlsplit(exemplified(url))
        host, _ = parts.hostname, parts.port
    except ValueError:
        problems.append("url: is not a valid URL; check the host and the port")
        return
    if parts.scheme not in {"ws", "wss"}:
        found = f"'{parts.scheme}://' was given" if parts.scheme else "it has none"
        instead = _INSTEAD.get(parts.scheme)
        hint = f"; write {instead}:// instead" if instead else ""
        problems.append(f"url: must begin with ws:// or wss://; {found}{hint}")
    elif not host:
        problems.append("url: has no host; write ws://HOST:PORT/PATH")
    elif parts.fragment:
        problems.append("url: has a fragment (#…), which WebSocket forbids")


def _check_subprotocols(names: list[str], problems: list[str]) -> None:
    problems += [
        f"subprotocols: {name!r} is not a valid name; it takes letters, digits and "
        "-._~!#$%&'*+^`|"
        for name in names
        if not TOKEN.fullmatch(name)
    ]
    if len(set(names)) < len(names):
        problems.append("subprotocols: a name stands there twice; offer each once")


def _tls(given: Mapping[str, Any], problems: list[str]) -> TlsSettings:
    settings = TlsSettings(**given)
    try:
        if given:
            make_context(settings)
    except ValueError as error:
        problems.append(f"tls.{error}")
    return settings


def _proxy(given: str | None, problems: list[str]) -> str | None:
    problem = None if given is None else check_proxy(given)
    if problem is not None:
        problems.append(f"proxy: {problem}")
    return given
