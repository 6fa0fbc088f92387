"""The connection: URL, headers, trust, proxy, limits, and fixed placeholders."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from tap_websocket import __version__
from tap_websocket.expressions.rendering import TOKEN, exemplified
from tap_websocket.network.proxy import check_proxy, proxy_secrets
from tap_websocket.network.tls import TlsSettings, make_context
from tap_websocket.network.urls import userinfo_secrets
from tap_websocket.settings.checks import (
    check_headers,
    check_names,
    check_placeholders,
)
from tap_websocket.settings.declare import (
    BOOLEAN,
    STRING,
    STRING_MAP,
    STRINGS,
    choice,
    group,
    obj,
    seconds,
    setting,
    whole,
)
from tap_websocket.transports.select import AUTO, CHOICES, COMPRESSING, LIBRARIES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

__all__ = [
    "DECLARATIONS",
    "ConnectionSettings",
    "check_fixed_names",
    "check_url",
    "read_connection",
]

_PREFERRED, _LAST = LIBRARIES[0], LIBRARIES[-1]
_COMPRESSING = " or ".join(f"`{name}`" for name in COMPRESSING)

DECLARATIONS = group(
    "Connection",
    url=setting(
        {**STRING, "examples": ["wss://stream.example.com/trades"]},
        "The feed: `ws://` or `wss://`. May hold placeholders. User-info in it is sent "
        "as Basic credentials.",
    ),
    headers=setting(
        {**STRING_MAP, "x-merge": True},
        "Extra headers of the upgrade request, such as `Origin`. They are merged over "
        "the default, and what `auth` adds over both.",
        default={"User-Agent": f"tap-websocket/{__version__}"},
        secret=True,
    ),
    trusted_origins=setting(
        STRINGS,
        "Other origins (`wss://host:port`) to which credentials may be sent when a "
        "server names an address there, in a message, a redirect or the reply to a "
        "request. The origins of `url` and `alternate_urls` are trusted.",
        default=[],
    ),
    subprotocols=setting(
        STRINGS,
        "Subprotocols to offer, in order. A server that picks none of them, or one "
        "that was not offered, is an error. May hold placeholders, for servers that "
        "take a token here.",
        default=[],
        secret=True,
    ),
    tls=setting(
        obj(
            ca_file=STRING,
            cert_file=STRING,
            key_file=STRING,
            key_password=STRING,
            server_name=STRING,
            verify=BOOLEAN,
        ),
        "Trust and identity: `ca_file`, `cert_file`, `key_file`, `key_password`, "
        "`server_name`, `verify` (false warns on every connect). The system's trust by "
        "default.",
        default={},
        secret=True,
    ),
    proxy=setting(
        STRING,
        "`http://`, `https://`, `socks5://` or `socks5h://`. By default the "
        "environment says which; `none` ignores that. SOCKS needs the extra `socks`.",
        secret=True,
    ),
    connect_timeout=setting(
        seconds(),
        "Seconds for TCP, proxy, TLS and upgrade together.",
        default=30,
    ),
    close_timeout=setting(
        seconds(),
        "Seconds from a Close frame of either side until the connection is over, "
        "whatever the peer does.",
        default=5,
    ),
    compression=setting(
        BOOLEAN,
        f"Offer permessage-deflate. Only the {_COMPRESSING} transport can: `transport: "
        "auto` chooses it, and any other is a config error.",
        default=False,
    ),
    max_message_bytes=setting(
        whole(1),
        "Maximum size of a message in bytes, after reassembly and decompression. A "
        "larger one is not buffered: the connection closes with 1009, which counts as "
        "a drop. Two such drops with no record between them end the run.",
        default=67108864,
    ),
    transport=setting(
        choice(*CHOICES),
        f"The WebSocket library that carries the frames. `{AUTO}`: {_PREFERRED.name} "
        f"when it is installed (extra `{_PREFERRED.extra}`) and able to do what the "
        f"config asks, else {_LAST.name}. Behaviour is the same on each.",
        default=AUTO,
    ),
    placeholders=setting(
        {
            "type": "object",
            "additionalProperties": {"type": ["string", "number", "boolean"]},
        },
        "Values for `{name}` in `url`, `headers`, `auth` and in what is sent, by "
        "name: fixed ones, or what a name holds until a rule captures another. "
        "`{name|filter}` changes its form: `lower`, `upper`, `json`, `base64`, "
        "`base64url`, `url` (percent-encoded), `raw` (not percent-encoded in a URL).",
        default={},
        secret=True,
    ),
)

_INSTEAD = {"http": "ws", "https": "wss"}
"""The scheme to write in place of the one that a user may have copied."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class ConnectionSettings:
    """Where to connect to, and how.

    Attributes:
        headers: Name and value of each, the default merged in.
        proxy: As given; None for the environment's.
        placeholders: Fixed values, and first values of what rules capture.
    """

    url: str
    headers: tuple[tuple[str, str], ...]
    trusted_origins: tuple[str, ...]
    subprotocols: tuple[str, ...]
    tls: TlsSettings
    proxy: str | None
    connect_timeout: float
    close_timeout: float
    compression: bool
    max_message_bytes: int
    transport: str
    placeholders: Mapping[str, Any]

    @property
    def secrets(self) -> Iterator[str]:
        """What must not show in any output."""
        # A user agent is the one header that tells nothing secret.
        yield from (
            value for name, value in self.headers if name.lower() != "user-agent"
        )
        yield from userinfo_secrets(self.url)
        yield from proxy_secrets(self.proxy)
        if self.tls.key_password:
            yield self.tls.key_password
        yield from map(str, self.placeholders.values())


def read_connection(
    config: Mapping[str, Any],
    declared: Collection[str],
    topics: Collection[str],
    problems: list[str],
) -> ConnectionSettings:
    """Read the connection's settings.

    Args:
        config: All settings, with their types.
        declared: The names that are placeholders.
        topics: Those that are placeholders in `url` besides.
        problems: Takes one line for each problem.
    """
    check_url("url", config["url"], {*declared, *topics}, problems)
    check_headers("headers", config["headers"], problems)
    for name, value in config["headers"].items():
        check_placeholders(f"headers: the value of {name}", value, declared, problems)
    _check_origins(config["trusted_origins"], problems)
    _check_subprotocols(config["subprotocols"], declared, problems)
    transport = config["transport"]
    if config["compression"] and transport not in {AUTO, *COMPRESSING}:
        others = " or ".join((AUTO, *COMPRESSING))
        problems.append(
            f"transport: {transport} has no compression; set it to {others}, or "
            "compression to false",
        )
    return ConnectionSettings(
        url=config["url"],
        headers=tuple(config["headers"].items()),
        trusted_origins=tuple(config["trusted_origins"]),
        subprotocols=tuple(config["subprotocols"]),
        tls=_tls(config["tls"], problems),
        proxy=_proxy(config.get("proxy"), problems),
        connect_timeout=config["connect_timeout"],
        close_timeout=config["close_timeout"],
        compression=config["compression"],
        max_message_bytes=config["max_message_bytes"],
        transport=config["transport"],
        placeholders=config["placeholders"],
    )


def check_url(
    name: str, url: str, declared: Collection[str], problems: list[str]
) -> None:
    """Check an address of the feed.

    Args:
        name: The setting, for messages.
        url: The address, with placeholders.
        declared: The names that are placeholders.
        problems: Takes one line for each problem.
    """
    check_placeholders(name, url, declared, problems)
    if url.startswith("{"):
        return
    parts = _split(exemplified(url))
    if parts is None and (of_path := _split(exemplified(url, "/"))) is not None:
        # A placeholder behind the digits of the port: it may begin the path.
        parts = of_path
    if parts is None:
        problems.append(f"{name}: is not a valid URL; check the host and the port")
        return
    if parts.scheme not in {"ws", "wss"}:
        found = f"'{parts.scheme}://' was given" if parts.scheme else "it has none"
        instead = _INSTEAD.get(parts.scheme)
        hint = f"; write {instead}:// instead" if instead else ""
        problems.append(f"{name}: must begin with ws:// or wss://; {found}{hint}")
    elif not parts.hostname:
        problems.append(f"{name}: has no host; write ws://HOST:PORT/PATH")
    elif parts.fragment:
        problems.append(f"{name}: has a fragment (#…), which WebSocket forbids")


def _split(url: str) -> SplitResult | None:
    """Return the parts of a URL, or None where its host or port is none."""
    try:
        parts = urlsplit(url)
        _ = parts.hostname, parts.port
    except ValueError:
        return None
    return parts


def _check_origins(origins: list[str], problems: list[str]) -> None:
    for number, origin in enumerate(origins):
        parts = _split(origin)
        if (
            parts is None
            or parts.scheme not in {"ws", "wss"}
            or not parts.hostname
            or parts.username is not None
            or parts.path.strip("/")
            or parts.query
            or parts.fragment
        ):
            problems.append(
                f"trusted_origins[{number}]: must be scheme, host and port alone, as "
                "in wss://HOST:PORT",
            )


def _check_subprotocols(
    names: list[str],
    declared: Collection[str],
    problems: list[str],
) -> None:
    for number, name in enumerate(names):
        path = f"subprotocols[{number}]"
        check_placeholders(path, name, declared, problems)
        # A name may be a token of the user's, and is not shown.
        if not TOKEN.fullmatch(exemplified(name)):
            problems.append(
                f"{path}: is not a valid name; it takes letters, digits and "
                "-._~!#$%&'*+^`|",
            )
    if len(set(names)) < len(names):
        problems.append("subprotocols: lists a name twice; offer each once")


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


def check_fixed_names(
    config: Mapping[str, Any], problems: list[str]
) -> Collection[str]:
    """Check the names of `placeholders`, and return them."""
    names: Collection[str] = config["placeholders"]
    check_names("placeholders", names, problems)
    return names
