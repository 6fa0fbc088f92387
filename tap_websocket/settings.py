"""The config as frozen, typed dataclasses, with every check across settings.

What a JSON Schema can say of a single value was checked before (`config`); here
stands what it cannot: values that depend on each other, URLs, headers, files.
"""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from tap_websocket import jsontext, templates
from tap_websocket.auth import Auth, Bearer, Custom, NoAuth, userinfo_secrets
from tap_websocket.columns import prepare_schema
from tap_websocket.conflicts import conflicts
from tap_websocket.errors import ConfigError
from tap_websocket.tls import TlsSettings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

__all__ = [
    "CloseCodes",
    "ConnectionSettings",
    "Context",
    "DecodeSettings",
    "DeliverySettings",
    "EndSettings",
    "KeepaliveSettings",
    "ReconnectSettings",
    "Settings",
    "StreamSettings",
    "SubscribeMessage",
]

Evolution = Literal["add_columns", "rescue", "ignore", "fail"]
MessageFormat = Literal["json", "raw_string", "binary"]
Context = tuple[tuple[str, str], ...]

_RESERVED_HEADERS = ("host", "upgrade", "connection")
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


@dataclasses.dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """Where to connect to, and how; durations are in seconds."""

    url: str
    headers: tuple[tuple[str, str], ...]
    connect_timeout: float
    close_timeout: float
    max_message_bytes: int
    transport: Literal["auto", "websockets", "picows"]
    subprotocols: tuple[str, ...] = ()
    tls: TlsSettings = dataclasses.field(default_factory=TlsSettings)
    proxy: str | None = None
    compression: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class SubscribeMessage:
    """One item of `subscribe_messages`."""

    message: str


@dataclasses.dataclass(frozen=True, slots=True)
class KeepaliveSettings:
    """How a silent connection is kept, and found dead; in seconds."""

    ping_interval: float | None
    ping_timeout: float | None


@dataclasses.dataclass(frozen=True, slots=True)
class EndSettings:
    """When a run ends; durations are in seconds."""

    max_messages: int | None
    idle_timeout: float | None
    idle_reset: Literal["frame", "message"]
    max_duration: float | None


@dataclasses.dataclass(frozen=True, slots=True)
class CloseCodes:
    """A set of close codes: single ones, and classes by their first digit."""

    codes: frozenset[int] = frozenset()
    classes: frozenset[int] = frozenset()

    def __contains__(self, code: int) -> bool:
        """Tell whether the code is one of them."""
        return code in self.codes or code // 1000 in self.classes


@dataclasses.dataclass(frozen=True, slots=True)
class ReconnectSettings:
    """What happens after a drop; durations are in seconds."""

    enabled: bool
    backoff: float
    backoff_max: float | None
    max_attempts: int | None
    fatal_close_codes: CloseCodes


@dataclasses.dataclass(frozen=True, slots=True)
class DecodeSettings:
    """How a message becomes records."""

    message_format: MessageFormat
    on_parse_error: Literal["fail", "skip"]
    envelope: bool
    record_metadata: bool


@dataclasses.dataclass(frozen=True, slots=True)
class StreamSettings:
    """The stream, its keys and how its columns come to be."""

    name: str
    primary_keys: tuple[str, ...]
    schema: Mapping[str, Any] | None
    infer_messages: int
    infer_timeout: float
    infer_nested: bool
    evolution: Evolution


@dataclasses.dataclass(frozen=True, slots=True)
class DeliverySettings:
    """How records are handed on; sizes in bytes, durations in seconds."""

    batch_size: int
    flush_interval: float
    buffer_bytes: int
    spill_bytes: int
    drain_timeout: float


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """All settings of a run, checked.

    Attributes:
        warnings: One line for each pair of settings that cannot act together.
    """

    connection: ConnectionSettings
    auth: Auth
    subscribe_messages: tuple[SubscribeMessage, ...]
    keepalive: KeepaliveSettings
    ends: EndSettings
    reconnect: ReconnectSettings
    decode: DecodeSettings
    contexts: tuple[Context, ...]
    stream: StreamSettings
    delivery: DeliverySettings
    warnings: tuple[str, ...]

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not show in any output: credentials in all their places."""
        headers = self.connection.headers
        return (
            *self.auth.secrets,
            *(value for name, value in headers if name.lower() != "user-agent"),
            *userinfo_secrets(self.connection.url),
        )

    @classmethod
    def from_config(cls, config: Mapping[str, Any], given: Collection[str]) -> Settings:
        """Make the settings of a config whose values have their types.

        Args:
            config: All settings, defaults filled in (`config.prepare`).
            given: Names of the settings that the user gave.

        Raises:
            ConfigError: With one line for each problem.
        """
        return _Reader(config, given).read()


class _Reader:
    """Reads one config, and collects what is wrong with it."""

    def __init__(self, config: Mapping[str, Any], given: Collection[str]) -> None:
        self.config = config
        self.given = given
        self.problems: list[str] = []
        self.contexts = tuple(self._contexts())
        self.names = frozenset(name for names in self.contexts for name, _ in names)

    def read(self) -> Settings:
        config = self.config
        settings = Settings(
            connection=self._connection(),
            auth=self._auth(),
            subscribe_messages=tuple(map(_subscribe, config["subscribe_messages"])),
            keepalive=KeepaliveSettings(
                ping_interval=config.get("ping_interval"),
                ping_timeout=config.get("ping_timeout", 20)
                if "ping_interval" in config
                else None,
            ),
            ends=self._ends(),
            reconnect=self._reconnect(),
            decode=DecodeSettings(
                message_format=config["message_format"],
                on_parse_error=config["on_parse_error"],
                envelope=config["envelope"],
                record_metadata=config["record_metadata"],
            ),
            contexts=self.contexts,
            stream=self._stream(),
            delivery=DeliverySettings(
                batch_size=config["batch_size"],
                flush_interval=config["flush_interval"],
                buffer_bytes=config["buffer_bytes"],
                spill_bytes=config["spill_bytes"],
                drain_timeout=config["drain_timeout"],
            ),
            warnings=tuple(conflicts(config, self.given)),
        )
        if self.problems:
            raise ConfigError(self.problems)
        return settings

    def _connection(self) -> ConnectionSettings:
        config = self.config
        self._check_url(config["url"])
        headers = config["headers"]
        self._check_headers("headers", headers)
        return ConnectionSettings(
            url=config["url"],
            headers=tuple(headers.items()),
            connect_timeout=config["connect_timeout"],
            close_timeout=config["close_timeout"],
            max_message_bytes=config["max_message_bytes"],
            transport=config["transport"],
        )

    def _check_url(self, url: str) -> None:
        self._check_placeholders("url", url)
        if url.startswith("{"):
            return
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            self.problems.append("url: is no valid URL; check the host and the port")
            return
        if parts.scheme not in {"ws", "wss"}:
            found = f"'{parts.scheme}://' was given" if parts.scheme else "it has none"
            self.problems.append(f"url: must begin with ws:// or wss://; {found}")
        elif not host:
            self.problems.append("url: has no host; write ws://HOST:PORT/PATH")
        elif parts.fragment:
            self.problems.append("url: has a fragment (#…), which WebSocket forbids")

    def _check_headers(self, path: str, headers: Mapping[str, str]) -> None:
        for name, value in headers.items():
            lower = name.lower()
            if not _HEADER_NAME.fullmatch(name):
                self.problems.append(f"{path}: {name!r} is no valid header name")
            elif lower in _RESERVED_HEADERS or lower.startswith("sec-websocket-"):
                self.problems.append(
                    f"{path}: {name} is set by the handshake itself; leave it out",
                )
            elif _CONTROL.search(value):
                self.problems.append(
                    f"{path}: the value of {name} holds a line break or another "
                    "control character; remove it",
                )
            else:
                self._check_placeholders(f"{path}: the value of {name}", value)

    def _check_placeholders(self, path: str, text: str) -> None:
        for name in templates.undeclared(text, self.names):
            known = ", ".join(f"{{{name}}}" for name in sorted(self.names)) or "none"
            self.problems.append(
                f"{path}: {{{name}}} is declared nowhere (declared: {known}); "
                f"add it to contexts, or remove it",
            )

    def _auth(self) -> Auth:
        auth = self.config["auth"]
        kind = auth["type"]
        needed = _AUTH_KEYS[kind]
        for key in needed:
            if key not in auth:
                self.problems.append(f"auth: type {kind} needs {key}")
        for key in auth:
            if key not in {"type", *needed}:
                takes = ", ".join(needed) or "nothing else"
                self.problems.append(
                    f"auth: type {kind} has no key {key!r}; it takes {takes}",
                )
        if self.problems:
            return NoAuth()
        if kind == "bearer":
            if not auth["token"] or _CONTROL.search(auth["token"]):
                self.problems.append(
                    "auth.token: must be a token without line breaks; the one given "
                    "is empty or holds one",
                )
            return Bearer(auth["token"])
        if kind == "custom":
            self._check_headers("auth.headers", auth["headers"])
            return Custom(tuple(auth["headers"].items()))
        return NoAuth()

    def _ends(self) -> EndSettings:
        config = self.config
        ends = EndSettings(
            max_messages=config.get("max_messages"),
            idle_timeout=config.get("idle_timeout"),
            idle_reset=config["idle_reset"],
            max_duration=config.get("max_duration"),
        )
        if not (ends.max_messages or ends.idle_timeout or ends.max_duration):
            self.problems.append(
                "a run needs an end: set max_messages, idle_timeout or max_duration",
            )
        return ends

    def _reconnect(self) -> ReconnectSettings:
        config = self.config
        backoff, most = config["reconnect_backoff"], config.get("reconnect_backoff_max")
        if most is not None and most < backoff:
            self.problems.append(
                f"reconnect_backoff_max: must be at least reconnect_backoff "
                f"({backoff}); {most} was given",
            )
        codes = [str(code).strip().lower() for code in config["fatal_close_codes"]]
        return ReconnectSettings(
            enabled=config["reconnect"],
            backoff=backoff,
            backoff_max=most,
            max_attempts=config.get("max_reconnect_attempts"),
            fatal_close_codes=CloseCodes(
                codes=frozenset(int(code) for code in codes if code.isdigit()),
                classes=frozenset(int(code[0]) for code in codes if "x" in code),
            ),
        )

    def _contexts(self) -> Iterator[Context]:
        for number, context in enumerate(self.config["contexts"]):
            for name in context:
                if not templates.NAME.fullmatch(name):
                    self.problems.append(
                        f"contexts[{number}]: {name!r} is no valid name; use letters, "
                        "digits and _",
                    )
            yield tuple(context.items())

    def _stream(self) -> StreamSettings:
        config = self.config
        schema = self._schema(config.get("schema"))
        default: Evolution = "add_columns" if schema is None else "rescue"
        return StreamSettings(
            name=config["stream_name"],
            primary_keys=tuple(config["primary_keys"]),
            schema=schema,
            infer_messages=config["infer_messages"],
            infer_timeout=config["infer_timeout"],
            infer_nested=config["infer_nested"],
            evolution=config.get("schema_evolution", default),
        )

    def _schema(self, given: str | dict[str, Any] | None) -> dict[str, Any] | None:
        if isinstance(given, str):
            given = self._schema_file(Path(given))
        if given is None:
            return None
        for name in _unnested(given):
            self.problems.append(
                f"schema: the property {name!r} holds no JSON Schema; a property name "
                "with dots is torn apart on its way here: put the schema into a file "
                "and give its path",
            )
        keys = () if self.config["envelope"] else self.config["primary_keys"]
        try:
            return prepare_schema(given, keys)
        except ValueError as error:
            self.problems.append(f"schema: {error}")
            return None

    def _schema_file(self, path: Path) -> dict[str, Any] | None:
        try:
            schema = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            self.problems.append(
                f"schema: the file {path} cannot be read ({error.strerror}); give the "
                "path of a JSON Schema file, or the schema itself",
            )
        except ValueError:
            self.problems.append(f"schema: the file {path} is no valid JSON")
        else:
            if isinstance(schema, dict):
                return schema
            self.problems.append(f"schema: the file {path} holds no JSON object")
        return None


def _subscribe(item: str | Mapping[str, Any]) -> SubscribeMessage:
    message = item if isinstance(item, str) else item["message"]
    if not isinstance(message, str):
        message = jsontext.dumps(message).decode()
    return SubscribeMessage(message)


_AUTH_KEYS: dict[str, tuple[str, ...]] = {
    "none": (),
    "bearer": ("token",),
    "custom": ("headers",),
}

_SCHEMA_WORDS = frozenset(
    [
        "type",
        "properties",
        "items",
        "anyOf",
        "oneOf",
        "allOf",
        "not",
        "enum",
        "const",
        "format",
        "$ref",
        "description",
        "title",
        "default",
        "examples",
        "additionalProperties",
        "required",
        "pattern",
        "minimum",
        "maximum",
        "minLength",
        "maxLength",
    ],
)


def _unnested(schema: Mapping[str, Any]) -> Iterator[str]:
    """Find properties that hold other properties in place of a JSON Schema."""
    for name, declared in schema.get("properties", {}).items():
        if (
            isinstance(declared, dict)
            and declared
            and not _SCHEMA_WORDS & declared.keys()
            and all(isinstance(inner, dict) for inner in declared.values())
        ):
            yield name
