"""The SDK's private interfaces that the tap needs, each in one place.

`tests/integration/test_sdk.py` fails when the SDK changes one of them.
"""

from __future__ import annotations

import importlib.util
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, cast

from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers._catalog import get_selected_schema
from singer_sdk.helpers._classproperty import classproperty
from singer_sdk.helpers._flattening import FlatteningOptions, flatten_schema
from singer_sdk.helpers._state import StateWriter
from singer_sdk.io_base import SingerWriter
from singer_sdk.mapper import CustomStreamMap, SameRecordTransform
from singer_sdk.singerlib import Catalog

from tap_websocket.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from singer_sdk.helpers._flattening import PluginFlatteningConfig
    from singer_sdk.mapper import PluginMapper, StreamMap
    from singer_sdk.streams import Stream
    from singer_sdk.tap_base import Tap

    from tap_websocket.jsontext import JsonValue

__all__ = [
    "NO_STATE",
    "StateWriter",
    "classproperty",
    "config_error",
    "deselects_inside",
    "evaluates",
    "keeps_records",
    "mend_schema",
    "missing_encoders",
    "read_catalog",
    "register_schema",
    "replace_schema",
    "takes_schema",
]


_COLUMN_DEPTH = 2
"""Parts of the catalog's breadcrumb of a column: `properties` and its name."""


class _NoState(StateWriter):
    """Writes no STATE message: a live feed has no offset to go on from."""

    def write_state(self, state: Mapping[str, Any]) -> None:
        """Write nothing."""


NO_STATE = _NoState(SingerWriter())


def read_catalog(given: object) -> object:
    """Return a catalog that was given as JSON; a path is left to the SDK.

    Raises:
        CatalogError: When it has not the form of one.
    """
    if isinstance(given, Catalog | str | PurePath):
        return given
    problem: Exception | None = None
    if isinstance(given, dict):
        try:
            return Catalog.from_dict(cast("Any", given))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            problem = error
    msg = "the catalog is not one that --discover writes; discover again"
    raise CatalogError(msg) from problem


def config_error(problems: list[str]) -> ConfigValidationError:
    """Return the SDK's error for a wrong config, with one line for each problem."""
    return ConfigValidationError("; ".join(problems), errors=problems, schema={})


def keeps_records(stream_map: StreamMap) -> bool:
    """Return whether a stream map hands on each record as it is."""
    return (
        isinstance(stream_map, SameRecordTransform)
        and not stream_map.flattening_enabled
    )


def deselects_inside(mask: Mapping[tuple[str, ...], bool]) -> bool:
    """Return whether a catalog deselects a property inside of a column.

    Args:
        mask: Breadcrumb to whether what is there is selected.
    """
    return any(
        len(breadcrumb) > _COLUMN_DEPTH and not selected
        for breadcrumb, selected in mask.items()
    )


def evaluates(stream_map: StreamMap) -> bool:
    """Return whether a stream map has expressions to evaluate on each record."""
    return isinstance(stream_map, CustomStreamMap)


def mend_schema(schema: JsonValue) -> None:
    """Take alternatives that are no schemas out of a schema, in place.

    singer-sdk 0.54 writes `"null"` where a schema belongs (`__else__` of stream maps),
    and jsonschema fails on it with an AttributeError.
    """
    if isinstance(schema, list):
        for item in schema:
            mend_schema(item)
    elif isinstance(schema, dict):
        options = schema.get("anyOf")
        if isinstance(options, list) and not all(isinstance(o, dict) for o in options):
            # Whatever is given then, the SDK itself says what is wrong with it.
            del schema["anyOf"]
        for inner in schema.values():
            mend_schema(inner)


def missing_encoders(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for a format of batch files whose package is not installed."""
    batch = config.get("batch_config")
    encoding = batch.get("encoding") if isinstance(batch, dict) else None
    form = encoding.get("format") if isinstance(encoding, dict) else None
    if form == "parquet" and importlib.util.find_spec("pyarrow") is None:
        yield (
            "batch_config: the format 'parquet' needs a package that is not "
            "installed: pip install 'singer-sdk[parquet]', or set the format jsonl"
        )


def takes_schema(config: Mapping[str, Any]) -> Callable[[dict[str, Any]], bool] | None:
    """Return whether flattening takes a schema, or None where nothing is flattened.

    It takes none in which a field has the name of a flattened one: `n__x` beside an
    object `n` with a field `x`.

    Args:
        config: The config, with the SDK's own settings.
    """
    options = FlatteningOptions.from_dict(cast("PluginFlatteningConfig", config))
    if not options.enabled or options.max_level < 1:
        return None

    def takes(schema: dict[str, Any]) -> bool:
        try:
            flatten_schema(
                schema,
                max_level=options.max_level,
                separator=options.separator,
                max_key_length=options.max_key_length,
            )
        except ValueError:
            return False
        return True

    return takes


def register_schema(
    stream: Stream, mapper: PluginMapper, schema: dict[str, Any]
) -> None:
    """Tell the stream maps what a stream's schema is; its selection applies."""
    selected = get_selected_schema(stream.name, schema, stream.mask)
    keys = list(stream.primary_keys)
    mapper.register_raw_stream_schema(stream.name, selected, keys)


def replace_schema(stream: Stream, tap: Tap, schema: dict[str, Any]) -> None:
    """Give a stream a new schema in mid-run, and announce it.

    Args:
        stream: The stream; its selection keeps applying.
        tap: Its tap, whose stream maps are made anew.
        schema: The new JSON schema.
    """
    register_schema(stream, tap.mapper, schema)
    stream._stream_maps = None  # noqa: SLF001 - the SDK caches the maps of the old one
    stream._write_schema_message()  # noqa: SLF001
