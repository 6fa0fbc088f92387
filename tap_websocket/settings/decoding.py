"""From message to record: format, paths, and what is put beside a message's fields."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any, Literal, get_args

from tap_websocket.columns.names import RESCUED
from tap_websocket.expressions.pattern import JSON_GROUP, MessagePattern
from tap_websocket.settings.checks import check_names, compile_checked
from tap_websocket.settings.connections import split_context
from tap_websocket.settings.declare import (
    BOOLEAN,
    STRING,
    STRING_MAP,
    STRINGS,
    Idle,
    choice,
    group,
    setting,
)
from tap_websocket.settings.message_format import (
    MESSAGE_FORMAT,
    PROTOBUF,
    MessageFormat,
    ProtobufType,
    has_text,
    is_structured,
    needs_protobuf,
    read_protobuf,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tap_websocket.expressions.path import Path

__all__ = [
    "DECLARATIONS",
    "Compression",
    "Context",
    "DecodingSettings",
    "idle",
    "read_decoding",
]

Compression = Literal[
    "none", "gzip", "zlib", "deflate", "zstd", "zlib_stream", "zstd_stream"
]
OnParseError = Literal["fail", "skip", "rescue"]

Context = tuple[tuple[str, str], ...]
"""One of `contexts`: its keys and values."""

_DOCUMENT = "$"
"""The `records_path` that means the whole document."""

_OF_AN_ARRAY = re.compile(r"\s*(?:\$\s*(?:$|\.\s*(?=\[))?)?(?:$|\[\s*[^'\"\s])")
"""A `records_path` that means an array as a whole: `$`, or brackets in which no name
stands, with `$` or `$.` in front of them or nothing."""

DECLARATIONS = group(
    "From message to record",
    payload_compression=setting(
        choice(*get_args(Compression)),
        "How the feed itself compresses each binary message: `none`, `gzip`, `zlib`, "
        "`deflate` (raw) or `zstd` (extra `zstd`). With `zlib_stream` and "
        "`zstd_stream` the binary messages of a connection are one compressed stream, "
        "flushed at the end of each. Text frames pass as they are.",
        default="none",
    ),
    record_separator=setting(
        STRING,
        "Text between the documents of a message; empty documents are dropped. The "
        "empty text splits JSON documents that follow each other with "
        "nothing or white space in between.",
    ),
    message_pattern=setting(
        STRING,
        "A regular expression, searched in a document's text. In `json` format its "
        "group `json` is parsed, and its other named groups become columns beside the "
        "document's fields; in `raw_string` format all named groups become columns. A "
        "document without a match is ignored.",
    ),
    message_format=MESSAGE_FORMAT,
    protobuf=PROTOBUF,
    on_parse_error=setting(
        choice(*get_args(OnParseError)),
        "A message that cannot be read ends the run (`fail`), is dropped, counted and "
        "logged (`skip`), or becomes a record with nothing but `_rescued_data` "
        "(`rescue`): `_message` in it is its text, or `_message_base64`. With `skip` "
        "and `rescue` a text message that is not UTF-8 counts as one, and does not "
        "end the connection.",
        default="fail",
    ),
    json_fields=setting(
        STRINGS,
        "JSONPaths of strings that hold a JSON object or array, parsed in place.",
        default=[],
    ),
    records_path=setting(
        STRING,
        "JSONPath of the records inside a document; a match that is an array of "
        "objects is one record for each. `$` keeps an array whole, and `$[…]` looks "
        "into it. Several paths are joined with `|`.",
    ),
    array_columns=setting(
        STRINGS,
        "Names for the items of a record that is an array; more items than names go "
        "to `_rescued_data`.",
        default=[],
    ),
    message_fields=setting(
        STRING_MAP,
        "Values from the whole document, copied into each of its records: a column's "
        "name to a JSONPath, or to a group of `message_pattern`.",
        default={},
    ),
    envelope=setting(
        BOOLEAN,
        "A record is `{data, received_at, url}`: the message, when it came (UTC), and "
        "the feed's `url` as it is set, placeholders and all, without user-info and "
        "query. An API key in its path would show there: make it a placeholder.",
        default=False,
    ),
    record_metadata=setting(
        BOOLEAN,
        "Adds the columns `_received_at` (UTC), `_connection` (number of the "
        "connection in the run), `_sequence` (number of the record on its "
        "connection), `_missing` (numbers of the feed that did not come before it, "
        "with `sequence`) and `_outage_seconds` (how long no connection was open "
        "before it).",
        default=False,
    ),
    contexts=setting(
        {"type": "array", "items": STRING_MAP},
        "One connection for each item, all at once, merged into one stream; the "
        "values are placeholders, and each key is a column of its records. A key that "
        "begins with "
        '`$` is no column, and its value a secret: `{"account": "a", "$token": "…"}` '
        "offers `{token}`.",
        default=[],
        secret=True,
    ),
)

_OF_JSON = ("json_fields", "records_path", "array_columns", "message_fields")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class DecodingSettings:
    """How a message becomes records.

    Attributes:
        protobuf: None for another `message_format`.
        max_message_bytes: Bounds a message that is decompressed, too.
        message_fields: Those that are a path.
        group_fields: Column to group of `message_pattern`, where documents are JSON.
        keeps_arrays: A document that is an array is one record (`records_path: "$"`).
        reads_arrays: `records_path` looks into a document that is an array, which is
            then not opened before (`$`, or an index behind it).
    """

    payload_compression: Compression
    max_message_bytes: int
    record_separator: str | None
    message_pattern: MessagePattern | None
    message_format: MessageFormat
    protobuf: ProtobufType | None
    on_parse_error: OnParseError
    json_fields: tuple[Path, ...]
    records_path: Path | None
    keeps_arrays: bool
    reads_arrays: bool
    array_columns: tuple[str, ...]
    message_fields: tuple[tuple[str, Path], ...]
    group_fields: tuple[tuple[str, str], ...]
    envelope: bool
    record_metadata: bool
    contexts: tuple[Context, ...]

    @property
    def takes_any_text(self) -> bool:
        """Whether a text message that is not UTF-8 is one that cannot be read.

        Else it is a violation of the protocol, which ends the connection.
        """
        return self.on_parse_error != "fail" and self.has_text

    @property
    def has_text(self) -> bool:
        """Whether messages are texts, or become one."""
        return has_text(self.message_format)

    @property
    def is_structured(self) -> bool:
        """Whether messages are JSON, or become it: paths and inference apply."""
        return is_structured(self.message_format)

    @property
    def field_names(self) -> tuple[str, ...]:
        """The columns that values of the whole document fill."""
        fields = (*self.message_fields, *self.group_fields)
        return tuple(name for name, _ in fields)

    @property
    def takes_payloads_whole(self) -> bool:
        """Whether a message, decompressed, is one record or an array of records."""
        return not (
            self.record_separator is not None
            or self.message_pattern
            or self.json_fields
            or self.records_path
            or self.array_columns
            or self.message_fields
        )


def read_decoding(config: Mapping[str, Any], problems: list[str]) -> DecodingSettings:
    """Read how a message becomes records.

    Args:
        config: All settings, with their types.
        problems: Takes one line for each problem.
    """
    is_json = is_structured(config["message_format"])
    paths = {
        path: compile_checked(name, path, problems) for name, path in _paths(config)
    }
    records_path = config.get("records_path") if is_json else None
    _check_rescue(config, problems)
    pattern = _pattern(config, problems)
    if config.get("record_separator") == "" and not is_json:
        problems.append(
            "record_separator: the empty text is for JSON documents; give the text "
            "that stands between yours"
        )
    return DecodingSettings(
        message_format=config["message_format"],
        protobuf=read_protobuf(config, problems),
        on_parse_error=config["on_parse_error"],
        payload_compression=config["payload_compression"],
        max_message_bytes=config["max_message_bytes"],
        record_separator=config.get("record_separator"),
        message_pattern=pattern,
        json_fields=tuple(
            path for text in config["json_fields"] if is_json and (path := paths[text])
        ),
        records_path=paths[records_path] if records_path else None,
        keeps_arrays=records_path is not None and records_path.strip() == _DOCUMENT,
        reads_arrays=bool(records_path and _OF_AN_ARRAY.match(records_path)),
        array_columns=_array_columns(config, problems) if is_json else (),
        message_fields=tuple(
            (name, path)
            for name, text in config["message_fields"].items()
            if is_json and (path := paths.get(text))
        ),
        group_fields=_group_fields(config, pattern, problems) if is_json else (),
        envelope=config["envelope"],
        record_metadata=config["record_metadata"],
        contexts=_contexts(config, problems),
    )


def _check_rescue(config: Mapping[str, Any], problems: list[str]) -> None:
    """Check that a record of nothing but `_rescued_data` can be."""
    if config["on_parse_error"] != "rescue":
        return
    form = config["message_format"]
    if not is_structured(form):
        problems.append(
            f"on_parse_error: rescue needs the column {RESCUED}, which does not go "
            f"with message_format: {form}; use skip"
        )
    elif config["envelope"] and "schema" not in config:
        problems.append(
            f"on_parse_error: rescue needs the column {RESCUED}, which an envelope has "
            "with a schema only; use skip, or set schema"
        )
    if config["primary_keys"]:
        problems.append(
            "on_parse_error: rescue makes records without a key, which does not go "
            "with primary_keys; use skip"
        )


def _paths(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each JSONPath after the name of where it stands."""
    for number, path in enumerate(config["json_fields"]):
        yield f"json_fields[{number}]", path
    if "records_path" in config:
        yield "records_path", config["records_path"]
    for name, path in config["message_fields"].items():
        if path.startswith("$"):
            yield f"message_fields.{name}", path


def _group_fields(
    config: Mapping[str, Any],
    pattern: MessagePattern | None,
    problems: list[str],
) -> tuple[tuple[str, str], ...]:
    """Return the columns that groups of `message_pattern` fill, and the group of each.

    A group that no column is named for has one of its own name.
    """
    groups = pattern.names if pattern else ()
    named = {
        name: source
        for name, source in config["message_fields"].items()
        if not source.startswith("$")
    }
    for name, source in named.items():
        if source not in groups:
            known = ", ".join(groups) or "none"
            problems.append(
                f"message_fields.{name}: {source!r} is neither a JSONPath, which "
                f"begins with $, nor a group of message_pattern (groups: {known})"
            )
    own = {
        group: group
        for group in groups
        if group != JSON_GROUP
        and group not in named.values()
        and group not in config["message_fields"]
    }
    return tuple({**named, **own}.items())


def _pattern(config: Mapping[str, Any], problems: list[str]) -> MessagePattern | None:
    text, form = config.get("message_pattern"), config["message_format"]
    if text is None or not has_text(form):
        return None
    try:
        return MessagePattern(text, parses=is_structured(form))
    except ValueError as error:
        problems.append(f"message_pattern: {error}")
        return None


def _array_columns(config: Mapping[str, Any], problems: list[str]) -> tuple[str, ...]:
    names = tuple(config["array_columns"])
    if len(set(names)) < len(names) or "" in names:
        problems.append("array_columns: names must be unique and not empty")
    if RESCUED in names:
        problems.append(
            f"array_columns: {RESCUED} is filled by the tap; choose another name",
        )
    return names


def _contexts(config: Mapping[str, Any], problems: list[str]) -> tuple[Context, ...]:
    for number, context in enumerate(config["contexts"]):
        columns, secrets = split_context(context)
        check_names(f"contexts[{number}]", [*columns, *secrets], problems)
        problems += [
            f"contexts[{number}]: {name} is given with and without $; remove one"
            for name in columns.keys() & secrets.keys()
        ]
    return tuple(tuple(context.items()) for context in config["contexts"])


def idle(config: Mapping[str, Any]) -> Iterator[Idle]:
    """Yield the settings of the group that others can leave without effect."""
    form = config["message_format"]
    why = f"with message_format: {form}"
    unread = not has_text(form) and config["payload_compression"] == "none"
    yield Idle(("on_parse_error",), unread, why)
    yield Idle(("message_pattern",), not has_text(form), why)
    yield Idle(_OF_JSON, not is_structured(form), why)
    yield Idle(("protobuf",), not needs_protobuf(form), why)
