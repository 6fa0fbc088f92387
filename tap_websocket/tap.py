"""The tap: its name, its settings and its one stream.

Each setting's default and description stand here and nowhere else; the README's
table, `meltano.yml` and the Hub definition are generated from this module.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import Tap
from singer_sdk.helpers.capabilities import (
    CapabilitiesEnum,
    PluginCapabilities,
    TapCapabilities,
)

from tap_websocket import __version__
from tap_websocket.errors import ConfigError
from tap_websocket.logs import SecretFilter
from tap_websocket.settings import Settings, coerce, missing_end, read_settings
from tap_websocket.singer import environment, sdk
from tap_websocket.singer.cli import TapCommand
from tap_websocket.singer.sdk import classproperty
from tap_websocket.singer.shutdown import Shutdown
from tap_websocket.singer.writer import PageWriter
from tap_websocket.stream import WebSocketStream

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    import click
    from singer_sdk.mapper import PluginMapper

__all__ = ["TapWebSocket"]

_NUMBER = r"^\s*\d+(\.\d+)?\s*$"
_SIGNED_NUMBER = r"^\s*[+-]?\d+(\.\d+)?\s*$"
_WHOLE = r"^\s*\d+\s*$"

_ACRONYMS = {"url": "URL", "tls": "TLS", "json": "JSON"}

_SETTINGS: dict[str, dict[str, Any]] = {}


def _setting(  # noqa: PLR0913 - the columns of the settings table
    group: str,
    name: str,
    kind: str,
    schema: dict[str, Any],
    description: str,
    *,
    default: Any = None,  # noqa: ANN401 - a default is any JSON value
    secret: bool = False,
) -> None:
    """Declare one setting: its group, its Meltano kind and its JSON Schema."""
    entry = {
        **schema,
        "title": _title(name),
        "description": description,
        "x-group": group,
        "x-kind": kind,
    }
    if default is not None:
        entry["default"] = default
    if secret:
        entry["secret"] = True
    _SETTINGS[name] = entry


def _title(name: str) -> str:
    """Return a setting's label."""
    words = " ".join(_ACRONYMS.get(word, word) for word in name.split("_"))
    return words[:1].upper() + words[1:]


def _seconds() -> dict[str, Any]:
    return {
        "type": ["number", "string"],
        "pattern": _NUMBER,
        "exclusiveMinimum": 0,
        "x-type": "seconds",
    }


def _whole(minimum: int) -> dict[str, Any]:
    return {"type": ["integer", "string"], "pattern": _WHOLE, "minimum": minimum}


def _choice(*values: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}


def _object(required: list[str], **properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": required,
        "additionalProperties": False,
        "properties": properties,
    }


_STRING = {"type": "string"}
_BOOLEAN = {"type": "boolean"}
_STRINGS = {"type": "array", "items": {"type": "string"}}
_STRING_MAP = {"type": "object", "additionalProperties": {"type": "string"}}
_JSON = {"type": ["string", "object", "array", "number", "boolean"]}
_MATCHER = {"type": ["string", "object", "array"]}

_GROUP = "Connection"
_setting(
    _GROUP,
    "url",
    "string",
    {**_STRING, "examples": ["wss://stream.example.com/trades"]},
    "The feed: `ws://` or `wss://`. May hold placeholders. User-info in it is sent as "
    "Basic credentials.",
)
_setting(
    _GROUP,
    "headers",
    "object",
    {**_STRING_MAP, "x-merge": True},
    "Extra headers of the upgrade request, `Origin` among them; merged over the "
    "default. What `auth` adds wins.",
    default={"User-Agent": f"tap-websocket/{__version__}"},
    secret=True,
)
_setting(
    _GROUP,
    "subprotocols",
    "array",
    _STRINGS,
    "Subprotocols to offer, in order. A server that picks none of them, or one that "
    "was not offered, is an error.",
    default=[],
)
_setting(
    _GROUP,
    "auth",
    "object",
    {
        "type": "object",
        "required": ["type"],
        "properties": {
            "type": _choice(
                "none",
                "bearer",
                "custom",
                "basic",
                "oauth2",
                "token_endpoint",
                "signed",
            ),
            "token": _STRING,
            "headers": _STRING_MAP,
            "username": _STRING,
            "password": _STRING,
            "token_url": _STRING,
            "client_id": _STRING,
            "client_secret": _STRING,
            "scope": _STRING,
            "audience": _STRING,
            "refresh_token": _STRING,
            "url": _STRING,
            "method": _STRING,
            "body": _JSON,
            "values": _STRING_MAP,
            "secret": _STRING,
            "template": _STRING,
            "hash": _choice("sha256", "sha384", "sha512"),
            "encoding": _choice("base64", "hex"),
            "secret_encoding": _choice("text", "base64"),
            "timestamp": _choice("s", "ms", "iso"),
            "timestamp_offset": {
                "type": ["number", "string"],
                "pattern": _SIGNED_NUMBER,
            },
        },
    },
    "Credentials, resolved on every connect; an `oauth2` token is kept while it is "
    "valid. `type` is one of `none`; `bearer` (`token`); `custom` (`headers`); "
    "`basic` (`username`, `password`); `oauth2` (`token_url`, `client_id`, "
    "`client_secret`, `scope`, `audience`, `refresh_token`); `token_endpoint` (`url`, "
    "`method`, `headers`, `body`, and `values`: name to JSONPath into the reply); "
    "`signed` (`secret`, `template`, `hash`, `encoding`, `secret_encoding`, "
    "`timestamp`, `timestamp_offset`).",
    default={"type": "none"},
    secret=True,
)
_setting(
    _GROUP,
    "tls",
    "object",
    _object(
        [],
        ca_file=_STRING,
        cert_file=_STRING,
        key_file=_STRING,
        key_password=_STRING,
        server_name=_STRING,
        verify=_BOOLEAN,
    ),
    "Trust and identity: `ca_file`, `cert_file`, `key_file`, `key_password`, "
    "`server_name`, `verify` (false warns on every connect). The system's trust by "
    "default.",
    default={},
    secret=True,
)
_setting(
    _GROUP,
    "proxy",
    "string",
    _STRING,
    "`http://`, `https://`, `socks5://` or `socks5h://`; from the environment by "
    "default, which `none` ignores. SOCKS needs the extra `socks`.",
    secret=True,
)
_setting(
    _GROUP,
    "connect_timeout",
    "string",
    _seconds(),
    "Seconds for TCP, proxy, TLS and upgrade together.",
    default=30,
)
_setting(
    _GROUP,
    "close_timeout",
    "string",
    _seconds(),
    "Seconds from a Close frame of either side until the connection is over, "
    "whatever the peer does.",
    default=5,
)
_setting(
    _GROUP,
    "compression",
    "boolean",
    _BOOLEAN,
    "Offer permessage-deflate, which the `websockets` transport does: `transport: "
    "auto` takes that one, `transport: picows` is a config error.",
    default=False,
)
_setting(
    _GROUP,
    "max_message_bytes",
    "string",
    _whole(1),
    "Bound of one message, reassembled and decompressed. A larger one is not "
    "buffered: the connection closes with 1009, which counts as a drop. Two such drops "
    "with no record between them end the run.",
    default=67108864,
)
_setting(
    _GROUP,
    "transport",
    "options",
    _choice("auto", "websockets", "picows"),
    "The WebSocket library that carries the frames. `auto`: picows when it is "
    "installed (extra `fast`) and able to do what the config asks, else websockets. "
    "Behaviour is the same on each.",
    default="auto",
)
_setting(
    _GROUP,
    "placeholders",
    "object",
    {
        "type": "object",
        "additionalProperties": {"type": ["string", "number", "boolean"]},
    },
    "Name to fixed value, or to the first value of what rules capture: `{name}` stands "
    "for it in `url`, `headers`, `auth`, and in what is sent.",
    default={},
    secret=True,
)

_GROUP = "Subscription and keepalive"
_setting(
    _GROUP,
    "subscribe_messages",
    "array",
    {
        "type": "array",
        "items": {
            "type": ["string", "object"],
            "additionalProperties": False,
            "properties": {
                "message": _JSON,
                "binary": _BOOLEAN,
                "reply": _MATCHER,
                "reply_count": _whole(1),
                "reply_timeout": _seconds(),
            },
        },
    },
    "Sent in order on every connect and reconnect. An item is a string, or an object "
    "with `message` (a string, or a JSON value that is serialised), `binary: true` "
    "(the string is base64), and `reply` (a matcher), `reply_count` (1) and "
    "`reply_timeout` (10): wait for so many documents that match before the next item. "
    "`message` may be left out where a `reply` is awaited: a greeting.",
    default=[],
    secret=True,
)
_setting(
    _GROUP,
    "subscribe_interval",
    "string",
    {
        "type": ["number", "string"],
        "pattern": _NUMBER,
        "minimum": 0,
        "x-type": "seconds",
    },
    "Seconds between two subscribe messages, for servers that count them.",
    default=0,
)
_setting(
    _GROUP,
    "message_rules",
    "array",
    {
        "type": "array",
        "items": _object(
            [],
            match=_MATCHER,
            then=_choice("emit", "ignore", "reconnect", "stop", "fail"),
            reply=_JSON,
            capture=_STRING_MAP,
        ),
    },
    "What to do with messages that are not just data: the first rule whose `match` "
    "fits acts. `then` is `emit`, `ignore`, `reconnect`, `stop` or `fail`; `reply` is "
    "sent; `capture` keeps values (name to JSONPath, or to a group of "
    "`message_pattern`) as placeholders.",
    default=[],
    secret=True,
)
_setting(
    _GROUP,
    "heartbeat_message",
    "string",
    {**_JSON, "x-type": "string or JSON"},
    "Sent as text every `heartbeat_interval` once the subscription is complete: a "
    "string, or a JSON value that is serialised.",
    secret=True,
)
_setting(
    _GROUP,
    "heartbeat_interval",
    "string",
    _seconds(),
    "Seconds between two heartbeat messages; required with `heartbeat_message`.",
)
_setting(
    _GROUP,
    "ping_interval",
    "string",
    _seconds(),
    "Send a Ping frame every so many seconds, from the handshake on.",
)
_setting(
    _GROUP,
    "ping_timeout",
    "string",
    _seconds(),
    "Without a Pong within so many seconds the connection is dead, which counts as "
    "a drop. 20 once `ping_interval` is set.",
)
_setting(
    _GROUP,
    "stale_timeout",
    "string",
    _seconds(),
    "A connection without a data message for so many seconds is dead, whatever else "
    "it does, which counts as a drop.",
)

_GROUP = "When a run ends"
_setting(
    _GROUP,
    "max_messages",
    "string",
    _whole(1),
    "Stop after this many messages that produced output, over all connections. One "
    "of `max_messages`, `idle_timeout` and `max_duration` is required.",
)
_setting(
    _GROUP,
    "idle_timeout",
    "string",
    _seconds(),
    "Stop after so many seconds with no inbound frame on any connection. The clock "
    "also runs through outages.",
)
_setting(
    _GROUP,
    "idle_reset",
    "options",
    _choice("frame", "message"),
    "What resets `idle_timeout`: any inbound frame (`frame`), or data messages alone "
    "(`message`).",
    default="frame",
)
_setting(
    _GROUP,
    "max_duration",
    "string",
    _seconds(),
    "Stop so many seconds after the start.",
)

_GROUP = "Reconnecting"
_setting(
    _GROUP,
    "reconnect",
    "boolean",
    _BOOLEAN,
    "Reconnect after a drop or any close, a clean 1000 included; the subscription is "
    "sent again.",
    default=False,
)
_setting(
    _GROUP,
    "reconnect_backoff",
    "string",
    _seconds(),
    "Seconds between attempts.",
    default=1,
)
_setting(
    _GROUP,
    "reconnect_backoff_max",
    "string",
    _seconds(),
    "When set, the wait doubles from `reconnect_backoff` up to this, with full jitter.",
)
_setting(
    _GROUP,
    "max_reconnect_attempts",
    "string",
    _whole(0),
    "Retries after a failure, the first connect included; unlimited by default, 0: "
    "none. A message that produced output resets the count, each connection has its "
    "own.",
)
_setting(
    _GROUP,
    "fatal_close_codes",
    "array",
    {
        "type": "array",
        "items": {
            "type": ["integer", "string"],
            "pattern": r"^\s*(\d{4}|\d[xX]{3})\s*$",
            "minimum": 1000,
            "maximum": 4999,
        },
    },
    "Close codes (4001) or classes of them (`4xxx`) that end the run with exit code 1.",
    default=[],
)

_GROUP = "From message to record"
_setting(
    _GROUP,
    "payload_compression",
    "options",
    _choice("none", "gzip", "zlib", "deflate"),
    "How the feed itself compresses each binary message: `none`, `gzip`, `zlib`, or "
    "`deflate`, which is raw. Text frames pass as they are.",
    default="none",
)
_setting(
    _GROUP,
    "record_separator",
    "string",
    {"type": "string", "minLength": 1},
    "A message holds several documents, split at this text; empty ones are dropped.",
)
_setting(
    _GROUP,
    "message_pattern",
    "string",
    _STRING,
    "A regular expression, searched in a document's text. In `json` format its group "
    "`json` is parsed; in `raw_string` format its named groups become columns. A "
    "document without a match is ignored.",
)
_setting(
    _GROUP,
    "message_format",
    "options",
    _choice("json", "raw_string", "binary"),
    "`json` and `raw_string` also read binary frames; `binary` is base64 of the "
    "payload.",
    default="json",
)
_setting(
    _GROUP,
    "on_parse_error",
    "options",
    _choice("fail", "skip"),
    "A message that cannot be read ends the run (`fail`), or is dropped, counted and "
    "logged (`skip`).",
    default="fail",
)
_setting(
    _GROUP,
    "json_fields",
    "array",
    _STRINGS,
    "JSONPaths of strings that hold a JSON object or array, parsed in place.",
    default=[],
)
_setting(
    _GROUP,
    "records_path",
    "string",
    _STRING,
    "JSONPath of the records inside a document; a match that is an array of objects "
    "is one record for each. `$` keeps an array whole.",
)
_setting(
    _GROUP,
    "array_columns",
    "array",
    _STRINGS,
    "Names for the items of a record that is an array; more items than names go to "
    "`_rescued_data`.",
    default=[],
)
_setting(
    _GROUP,
    "message_fields",
    "object",
    _STRING_MAP,
    "Column to JSONPath: values from the whole document, copied into each of its "
    "records.",
    default={},
)
_setting(
    _GROUP,
    "envelope",
    "boolean",
    _BOOLEAN,
    "A record is `{data, received_at, url}`: the message, when it came (UTC), and the "
    "feed's URL without user-info and query.",
    default=False,
)
_setting(
    _GROUP,
    "record_metadata",
    "boolean",
    _BOOLEAN,
    "Adds the columns `_received_at` (UTC), `_connection` (number of the connection "
    "in the run) and `_sequence` (number of the record on its connection).",
    default=False,
)
_setting(
    _GROUP,
    "contexts",
    "array",
    {"type": "array", "items": _STRING_MAP},
    "One connection for each, all at once, merged into the stream; the values are "
    "placeholders, and each key is a column of its records.",
    default=[],
)

_GROUP = "The stream"
_setting(
    _GROUP,
    "stream_name",
    "string",
    {"type": "string", "minLength": 1},
    "The one stream's name.",
    default="messages",
)
_setting(
    _GROUP,
    "primary_keys",
    "array",
    _STRINGS,
    "Key properties. A record whose key is missing, null or unfit ends the run.",
    default=[],
)
_setting(
    _GROUP,
    "schema",
    "string",
    {"type": ["object", "string"], "x-type": "object, or a path"},
    "JSON Schema of a record (with `envelope`: of `data`), or the path of a file that "
    "holds it. Nothing is inferred then.",
)
_setting(
    _GROUP,
    "infer_messages",
    "string",
    _whole(0),
    "Without `schema`, in `json` format without `envelope`, the columns are inferred "
    "from this many messages. 0: each message lands whole in `data`.",
    default=100,
)
_setting(
    _GROUP,
    "infer_timeout",
    "string",
    _seconds(),
    "Stop sampling after so many seconds.",
    default=10,
)
_setting(
    _GROUP,
    "infer_nested",
    "boolean",
    _BOOLEAN,
    "Type nested objects and arrays too; otherwise they stay open.",
    default=False,
)
_setting(
    _GROUP,
    "schema_evolution",
    "options",
    _choice("add_columns", "rescue", "ignore", "fail"),
    "A field that the schema lacks: announce a new SCHEMA (`add_columns`, the "
    "default), put it into `_rescued_data` (`rescue`, the default with `schema`), "
    "drop it with a warning for each field (`ignore`), or end the run (`fail`).",
)

_GROUP = "Delivery"
_setting(
    _GROUP,
    "batch_size",
    "string",
    _whole(0),
    "Records handed on and flushed as one page. 0: the whole run is one page, handed "
    "on at its end, or whenever `buffer_bytes` is full.",
    default=1000,
)
_setting(
    _GROUP,
    "flush_interval",
    "string",
    _seconds(),
    "A partial page is flushed after so many seconds (not with `batch_size: 0`).",
    default=1,
)
_setting(
    _GROUP,
    "buffer_bytes",
    "string",
    _whole(1),
    "Memory for records that the target has not taken yet, object overhead included; "
    "a larger record passes alone.",
    default=67108864,
)
_setting(
    _GROUP,
    "spill_bytes",
    "string",
    _whole(0),
    "Disk for what does not fit there, in an unlinked temporary file; 0: none.",
    default=0,
)
_setting(
    _GROUP,
    "drain_timeout",
    "string",
    _seconds(),
    "After a signal, the target has so many seconds to take what was received.",
    default=30,
)


class TapWebSocket(Tap):
    """Singer tap that turns a live WebSocket feed into records."""

    name = "tap-websocket"
    package_name = "tap-websocket"
    dynamic_catalog = True
    message_writer_class = PageWriter
    config_jsonschema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "required": ["url"],
        "properties": _SETTINGS,
    }
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.DISCOVER,
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.BATCH,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    settings: Settings

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - the SDK's
        """Make the tap; no connection is opened yet."""
        self.shutdown = Shutdown()
        self.mask = SecretFilter()
        self.mask.install()
        if kwargs.get("parse_env_config"):
            # A config file and the environment itself win over `.env`.
            found = environment.dotenv_settings(Path.cwd(), self._env_var_prefix)
            kwargs["config"] = found | dict(kwargs.get("config") or {})
        super().__init__(*args, **kwargs)

    @classproperty
    def _env_var_config(cls) -> dict[str, Any]:  # noqa: N805 - a class property
        """Settings from the environment, as text: `config` gives them their types."""
        return environment.settings_in(os.environ, cls._env_var_prefix)

    @classmethod
    def _schema(cls) -> dict[str, Any]:
        """The config JSON schema with the SDK's own settings."""
        cls.append_builtin_config(cls.config_jsonschema)
        return cls.config_jsonschema

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Give the settings their types and check them.

        Raises:
            ConfigValidationError: With one line for each wrong setting.
        """
        prepared = coerce.prepare(self._config, self._schema())
        for warning in prepared.warnings:
            self.logger.warning(warning)
        problems = [
            *coerce.emptied(self._config, os.environ, self._env_var_prefix),
            *prepared.problems,
        ]
        if problems:
            problems += missing_end(prepared.given)
        else:
            try:
                self.settings = read_settings(prepared.config, prepared.given)
            except ConfigError as error:
                problems = error.problems
            else:
                self._config = prepared.config
                self.mask.add(self.settings.secrets)
                for warning in self.settings.warnings:
                    self.logger.warning(warning)
        if problems and raise_errors:
            raise sdk.config_error(problems)
        return problems

    def setup_mapper(self) -> None:
        """Leave the stream maps until the columns are known (see `mapper`)."""

    @property
    def mapper(self) -> PluginMapper:
        """The stream maps, made when they are first needed.

        Their making asks for the stream's schema, which a feed may have to be
        sampled for; a tap that is only constructed opens no connection.
        """
        if self._mapper is None:
            super().setup_mapper()
        return super().mapper

    @mapper.setter
    def mapper(self, mapper: PluginMapper) -> None:
        self._mapper = mapper

    def discover_streams(self) -> Sequence[WebSocketStream]:
        """Return the one stream."""
        return [WebSocketStream(self)]

    def run_discovery(self) -> str:
        """Write the catalog to stdout; a connection that was sampled is closed."""
        streams = [
            stream
            for stream in self.streams.values()
            if isinstance(stream, WebSocketStream)
        ]
        if any(stream.samples for stream in streams):
            self._warn_of_acknowledgements()
        try:
            return super().run_discovery()
        finally:
            for stream in streams:
                stream.close()

    def _warn_of_acknowledgements(self) -> None:
        if self.settings.messages.rules.acknowledges:
            self.logger.warning(
                "The sample for the catalog is lost to the next run: message_rules "
                "acknowledges what it emits; with schema or infer_messages: 0 no "
                "sample is taken",
            )

    def load_state(self, state: dict[str, Any]) -> None:
        """Ignore the state: a live feed has no offset to go on from (contract)."""

    @property
    def state_writer(self) -> sdk.StateWriter:
        """A writer that writes no STATE message."""
        return sdk.NO_STATE

    def _handle_termination(
        self,
        signum: int,
        frame: FrameType | None,  # noqa: ARG002 - the SDK's signature
    ) -> None:
        """End the run at SIGINT or SIGTERM with everything received delivered."""
        self.shutdown.signalled(signum)

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Return the command line, with each failure as one line and exit code 1."""
        command = super().get_singer_command()
        return TapCommand(
            name=command.name,
            callback=command.callback,
            context_settings=command.context_settings,
            params=command.params,
            help=command.help,
            logger=cls.logger,
        )
