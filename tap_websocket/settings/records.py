"""The settings of the way from a message to records, and of the stream."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tap_websocket.columns.names import RESCUED
from tap_websocket.columns.user_schema import prepare_schema
from tap_websocket.expressions.pattern import MessagePattern
from tap_websocket.settings.checks import compile_checked
from tap_websocket.settings.model import DecodeSettings, StreamSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tap_websocket.columns.columns import Evolution

__all__ = ["read_decode", "read_stream"]

_WHOLE = "$"


def read_decode(config: Mapping[str, Any], problems: list[str]) -> DecodeSettings:
    """Read how a message becomes records.

    Args:
        config: All settings, with their types.
        problems: Takes one line for each problem.
    """
    is_json = config["message_format"] == "json"
    paths = {
        path: compile_checked(name, path, problems) for name, path in _paths(config)
    }
    records_path = config.get("records_path") if is_json else None
    return DecodeSettings(
        message_format=config["message_format"],
        on_parse_error=config["on_parse_error"],
        payload_compression=config["payload_compression"],
        max_message_bytes=config["max_message_bytes"],
        record_separator=config.get("record_separator"),
        message_pattern=_pattern(config, problems),
        json_fields=tuple(
            path for text in config["json_fields"] if is_json and (path := paths[text])
        ),
        records_path=paths[records_path] if records_path else None,
        keeps_arrays=records_path is not None and records_path.strip() == _WHOLE,
        array_columns=_array_columns(config, problems) if is_json else (),
        message_fields=tuple(
            (name, path)
            for name, text in config["message_fields"].items()
            if is_json and (path := paths[text])
        ),
        envelope=config["envelope"],
        record_metadata=config["record_metadata"],
    )


def _paths(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each JSONPath after the name of where it stands."""
    for number, path in enumerate(config["json_fields"]):
        yield f"json_fields[{number}]", path
    if "records_path" in config:
        yield "records_path", config["records_path"]
    for name, path in config["message_fields"].items():
        yield f"message_fields.{name}", path


def _pattern(config: Mapping[str, Any], problems: list[str]) -> MessagePattern | None:
    text, form = config.get("message_pattern"), config["message_format"]
    if text is None or form == "binary":
        return None
    try:
        return MessagePattern(text, parses=form == "json")
    except ValueError as error:
        problems.append(f"message_pattern: {error}")
        return None


def _array_columns(config: Mapping[str, Any], problems: list[str]) -> tuple[str, ...]:
    names = tuple(config["array_columns"])
    if len(set(names)) < len(names) or "" in names:
        problems.append("array_columns: each name must be there once, and none empty")
    if RESCUED in names:
        problems.append(f"array_columns: {RESCUED} is a column of the tap's own")
    return names


def read_stream(config: Mapping[str, Any], problems: list[str]) -> StreamSettings:
    """Read the stream, its keys and how its columns come to be (see `read_decode`)."""
    schema = _schema(config, problems)
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


def _schema(config: Mapping[str, Any], problems: list[str]) -> dict[str, Any] | None:
    given = config.get("schema")
    if isinstance(given, str):
        given = _schema_file(Path(given), problems)
    if given is None:
        return None
    problems += [
        f"schema: the property {name!r} holds no JSON Schema; a property name with "
        "dots is torn apart on its way here: put the schema into a file and give its "
        "path"
        for name in _unnested(given)
    ]
    keys = () if config["envelope"] else config["primary_keys"]
    try:
        return prepare_schema(given, keys)
    except ValueError as error:
        problems.append(f"schema: {error}")
        return None


def _schema_file(path: Path, problems: list[str]) -> dict[str, Any] | None:
    try:
        schema = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        problems.append(
            f"schema: the file {path} cannot be read ({error.strerror}); give the "
            "path of a JSON Schema file, or the schema itself",
        )
    except ValueError:
        problems.append(f"schema: the file {path} is not valid JSON")
    else:
        if isinstance(schema, dict):
            return schema
        problems.append(f"schema: the file {path} holds no JSON object")
    return None


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
