"""The stream: its name and keys, and how its columns come to be."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from tap_websocket.columns.location import is_conditional
from tap_websocket.columns.naming import ColumnNaming
from tap_websocket.columns.rules import Evolution
from tap_websocket.columns.user_schema import prepare_schema
from tap_websocket.settings.declare import (
    BOOLEAN,
    STRING,
    STRINGS,
    Idle,
    choice,
    group,
    seconds,
    setting,
    whole,
)
from tap_websocket.settings.message_format import has_text, is_structured

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["DECLARATIONS", "StreamSettings", "idle", "read_stream"]

DECLARATIONS = group(
    "The stream",
    stream_name=setting(
        {**STRING, "minLength": 1},
        "The one stream's name.",
        default="messages",
    ),
    primary_keys=setting(
        STRINGS,
        "Key properties. A record without a key, or whose key is null or does not fit "
        "its column, ends the run.",
        default=[],
    ),
    schema=setting(
        {"type": ["object", "string"], "x-type": "object, or a path"},
        "JSON Schema of a record (with `envelope`: of `data`), or the path of a file "
        "that holds it. No sample is taken then, so `primary_keys` have to be in it; "
        "with `schema_evolution: add_columns` the type of another field is that of its "
        "first value.",
    ),
    infer_messages=setting(
        whole(0),
        "Without `schema`, in `json` format without `envelope`, the columns are "
        "inferred from this many messages. 0: each message lands whole in `data`.",
        default=100,
    ),
    infer_timeout=setting(
        seconds(),
        "Stop sampling after this many seconds. A run whose sample has no record then "
        "infers from the first that comes.",
        default=10,
    ),
    schema_location=setting(
        STRING,
        "A file that keeps the columns between runs, as a path or a URL that fsspec "
        "reads (`s3://…`). The first run infers and writes them, later ones begin with "
        "them, and each new column is added before it is announced.",
    ),
    column_names=setting(
        choice(*get_args(ColumnNaming)),
        "What becomes of names that differ only by case, or by `.`, `-` and space in "
        "place of `_`: each has a column of its own (`exact`), or the later one gets "
        "a suffix, as in `E_2` (`portable`), for targets that take such names for the "
        "same: DuckDB, BigQuery, Snowflake. `portable` needs `schema_location` or "
        "`schema`.",
        default="exact",
    ),
    infer_nested=setting(
        BOOLEAN,
        "Type nested objects and arrays too; otherwise they stay open.",
        default=False,
    ),
    schema_evolution=setting(
        choice(*get_args(Evolution)),
        "What becomes of a field that the schema lacks: announce a new SCHEMA "
        "(`add_columns`, the default), put it into `_rescued_data` (`rescue`, the "
        "default with `schema`), drop it with a warning for each field (`ignore`), or "
        "end the run (`fail`).",
    ),
)

_INFERENCE = ("infer_messages", "infer_timeout", "infer_nested")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class StreamSettings:
    """The stream, its keys and how its columns come to be.

    Attributes:
        schema: The user's, made ready for a target; None where columns are inferred.
    """

    stream_name: str
    primary_keys: tuple[str, ...]
    schema: Mapping[str, Any] | None
    infer_messages: int
    infer_timeout: float
    infer_nested: bool
    schema_evolution: Evolution
    schema_location: str | None
    column_names: ColumnNaming


def read_stream(config: Mapping[str, Any], problems: list[str]) -> StreamSettings:
    """Read the stream, its keys and how its columns come to be.

    Args:
        config: All settings, with their types.
        problems: Takes one line for each problem.
    """
    schema = _schema(config, problems)
    _check_naming(config, problems)
    _check_location(config, problems)
    # The one default that depends on another setting, so it is no part of the schema.
    default: Evolution = "add_columns" if schema is None else "rescue"
    return StreamSettings(
        stream_name=config["stream_name"],
        primary_keys=tuple(config["primary_keys"]),
        schema=schema,
        infer_messages=config["infer_messages"],
        infer_timeout=config["infer_timeout"],
        infer_nested=config["infer_nested"],
        schema_evolution=config.get("schema_evolution", default),
        schema_location=config.get("schema_location") if infers(config) else None,
        column_names=config["column_names"],
    )


def infers(config: Mapping[str, Any]) -> bool:
    """Return whether the columns are those of the feed's records, unless declared."""
    return (
        is_structured(config["message_format"])
        and not config["envelope"]
        and config["infer_messages"] > 0
        and "schema" not in config
    )


def _check_location(config: Mapping[str, Any], problems: list[str]) -> None:
    """Check that shards, which run at once, keep each other's columns."""
    location = config.get("schema_location")
    shards = config.get("shard_count") or 1
    if location is not None and shards > 1 and not is_conditional(location):
        problems.append(
            "schema_location: with shard_count over 1 it has to be a local path or "
            "s3://…: elsewhere two shards could undo each other's new columns",
        )


def _check_naming(config: Mapping[str, Any], problems: list[str]) -> None:
    """Check that two runs give a column the same name."""
    lasts = "schema_location" in config or not infers(config)
    if config["column_names"] == "portable" and not lasts:
        problems.append(
            "column_names: portable needs schema_location (or schema): without it two "
            "runs could name the same columns the other way round",
        )


def _schema(config: Mapping[str, Any], problems: list[str]) -> dict[str, Any] | None:
    given = config.get("schema")
    if isinstance(given, str):
        given = _schema_file(Path(given), problems)
    if given is None:
        return None
    problems += [
        f"schema: the property {name!r} is not a JSON Schema; Meltano splits a "
        "property name at its dots: put the schema into a file and give its path"
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


def idle(config: Mapping[str, Any]) -> Iterator[Idle]:
    """Yield the settings of the group that others can leave without effect."""
    form = config["message_format"]
    structured = is_structured(form)
    named = not structured and has_text(form) and "message_pattern" in config
    whole_messages = not structured or config["envelope"]
    why = "with envelope" if structured else f"with message_format: {form}"
    yield Idle((*_INFERENCE, "schema_evolution"), whole_messages and not named, why)
    yield Idle(_INFERENCE, named, why)
    inferred = not whole_messages
    yield Idle(_INFERENCE, inferred and "schema" in config, "with schema")
    unsampled = inferred and "schema" not in config and config["infer_messages"] == 0
    yield Idle(
        ("infer_timeout", "infer_nested", "schema_location", "column_names"),
        unsampled,
        "with infer_messages: 0",
    )
    yield Idle(("schema_location",), inferred and "schema" in config, "with schema")
    yield Idle(("schema_location", "column_names"), whole_messages, why)
