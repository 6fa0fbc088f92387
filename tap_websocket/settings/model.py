"""What a run is told: all settings, checked; durations in seconds, sizes in bytes."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal

from tap_websocket.network.proxy import proxy_secrets
from tap_websocket.network.urls import userinfo_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tap_websocket.auth.credentials import Auth
    from tap_websocket.columns.columns import Evolution
    from tap_websocket.expressions.jsonpath import Path
    from tap_websocket.expressions.pattern import MessagePattern
    from tap_websocket.expressions.rules import RuleSet
    from tap_websocket.expressions.templates import Template
    from tap_websocket.feed.subscription import Item
    from tap_websocket.network.tls import TlsSettings
    from tap_websocket.records.payloads import Compression

__all__ = [
    "CloseCodes",
    "ConnectionSettings",
    "Context",
    "DecodeSettings",
    "DeliverySettings",
    "EndSettings",
    "KeepaliveSettings",
    "MessageSettings",
    "ReconnectSettings",
    "Settings",
    "StreamSettings",
]

MessageFormat = Literal["json", "raw_string", "binary"]
Context = tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class ConnectionSettings:
    """Where to connect to, and how."""

    url: str
    headers: tuple[tuple[str, str], ...]
    subprotocols: tuple[str, ...]
    tls: TlsSettings
    proxy: str | None
    connect_timeout: float
    close_timeout: float
    compression: bool
    max_message_bytes: int
    transport: Literal["auto", "websockets", "picows"]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class MessageSettings:
    """What is said on a connection, and what is answered.

    Attributes:
        placeholders: Fixed values, and first values of what rules capture.
        subscribe: The items of `subscribe_messages`, in order.
        subscribe_interval: Pause between two of them.
        rules: What a document is besides data.
    """

    placeholders: Mapping[str, Any]
    subscribe: tuple[Item, ...]
    subscribe_interval: float
    rules: RuleSet


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class KeepaliveSettings:
    """How a silent connection is kept, and found dead."""

    ping_interval: float | None
    ping_timeout: float | None
    heartbeat_interval: float | None
    heartbeat_message: Template | None
    stale_timeout: float | None


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class EndSettings:
    """When a run ends."""

    max_messages: int | None
    idle_timeout: float | None
    idle_reset: Literal["frame", "message"]
    max_duration: float | None


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class CloseCodes:
    """A set of close codes: single ones, and classes by their first digit."""

    codes: frozenset[int] = frozenset()
    classes: frozenset[int] = frozenset()

    def __contains__(self, code: int) -> bool:
        """Tell whether the code is one of them."""
        return code in self.codes or code // 1000 in self.classes


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class ReconnectSettings:
    """What happens after a drop."""

    enabled: bool
    backoff: float
    backoff_max: float | None
    max_attempts: int | None
    fatal_close_codes: CloseCodes


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class DecodeSettings:
    """How a message becomes records."""

    message_format: MessageFormat
    on_parse_error: Literal["fail", "skip"]
    payload_compression: Compression
    max_message_bytes: int
    record_separator: str | None
    message_pattern: MessagePattern | None
    json_fields: tuple[Path, ...]
    records_path: Path | None
    keeps_arrays: bool
    array_columns: tuple[str, ...]
    message_fields: tuple[tuple[str, Path], ...]
    envelope: bool
    record_metadata: bool

    @property
    def takes_payloads_whole(self) -> bool:
        """Whether a message, decompressed, is one record or an array of records."""
        return not (
            self.record_separator
            or self.message_pattern
            or self.json_fields
            or self.records_path
            or self.array_columns
            or self.message_fields
        )


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class StreamSettings:
    """The stream, its keys and how its columns come to be."""

    name: str
    primary_keys: tuple[str, ...]
    schema: Mapping[str, Any] | None
    infer_messages: int
    infer_timeout: float
    infer_nested: bool
    evolution: Evolution


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class DeliverySettings:
    """How records are handed on."""

    batch_size: int
    flush_interval: float
    buffer_bytes: int
    spill_bytes: int
    drain_timeout: float


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Settings:
    """All settings of a run.

    Attributes:
        warnings: One line for each pair of settings that cannot act together.
    """

    connection: ConnectionSettings
    auth: Auth
    messages: MessageSettings
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
        connection = self.connection
        return (
            *self.auth.secrets,
            *_header_secrets(connection.headers),
            *userinfo_secrets(connection.url),
            *proxy_secrets(connection.proxy),
            *filter(None, [connection.tls.key_password]),
            *_texts(self.messages.placeholders),
        )


def _header_secrets(headers: tuple[tuple[str, str], ...]) -> Iterator[str]:
    """Yield the values of headers; a user agent is none."""
    return (value for name, value in headers if name.lower() != "user-agent")


def _texts(values: Mapping[str, Any]) -> Iterator[str]:
    return (str(value) for value in values.values())
