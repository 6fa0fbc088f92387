"""The schema in force, and how a record is made to fit it.

Nothing is lost and no type changes in mid-run: what has no place in its column goes
to `_rescued_data`, a string that holds a JSON object of such fields.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from tap_websocket import fitting, jsontext, storable
from tap_websocket.compiled import compile_decoder
from tap_websocket.errors import SchemaError
from tap_websocket.inference import JSON_TEXT, OPEN_ARRAY, infer_column

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from tap_websocket.settings import Evolution

__all__ = ["ANY_JSON", "RESCUED", "Columns", "prepare_schema"]

_LOGGER = logging.getLogger("tap-websocket")

RESCUED = "_rescued_data"

ANY_JSON: dict[str, Any] = {
    "type": ["object", "array", "string", "number", "integer", "boolean", "null"],
}
"""A column for any JSON: jsonb in PostgreSQL, where an empty schema is text."""

_RESCUED_SCHEMA = {"type": ["string", "null"]}
_MOST_COLUMNS = 1000

Record = dict[str, Any]
Schema = dict[str, Any]


class Columns:
    """The columns of the stream, which may grow while records come."""

    def __init__(  # noqa: PLR0913 - by keyword
        self,
        schema: Mapping[str, Any],
        *,
        keys: Sequence[str],
        evolution: Evolution,
        added: Mapping[str, Schema],
        rescue: bool,
        deselected: Collection[str] = (),
        nested: bool = False,
    ) -> None:
        """Make the columns.

        Args:
            schema: JSON schema of a record.
            keys: The key properties.
            evolution: What becomes of a field that the schema lacks.
            added: Columns that the tap adds; they win over a record's own fields.
            rescue: Declare `_rescued_data`.
            deselected: Properties that stay out for good.
            nested: Type nested objects and arrays of new fields, too.
        """
        self._keys = tuple(keys)
        self._evolution = evolution
        self._added = {
            name: declared for name, declared in added.items() if name not in deselected
        }
        self._dropped = {name for name in added if name in deselected}
        self._rescue = rescue and RESCUED not in deselected
        self._has_rescue = rescue
        self._deselected = frozenset(deselected)
        self._nested = nested
        self._rest = {
            name: value for name, value in schema.items() if name != "properties"
        }
        self._properties: dict[str, Schema] = {}
        self._checks: dict[str, Callable[[Any], Any]] = {}
        self._folded: set[str] = {name.casefold() for name in (*added, RESCUED)}
        self._null_fields: set[str] = set()
        self._warned: set[str] = set()
        for name, declared in schema.get("properties", {}).items():
            if name not in added and name != RESCUED and self._may_be_column(name):
                self._declare(name, declared)
        self.version = 0
        self.schema: Schema = self._make_schema()

    def fit(self, record: Record, added: Mapping[str, Any]) -> Record:
        """Return a record that fits the columns; they grow first where they may.

        Args:
            record: The fields of a record.
            added: The values of the columns that the tap adds.

        Raises:
            SchemaError: When a key is missing, null or unfit, or a field is new and
                may not be.
        """
        fitted: Record = {}
        rescued: Record = {}
        for name, value in record.items():
            convert = self._checks.get(name)
            if convert is None:
                self._take_unknown(name, value, fitted, rescued)
            elif value is None:
                fitted[name] = None
            else:
                try:
                    fitted[name] = convert(value)
                except _UnfitError:
                    rescued[name] = value
        for key in self._keys:
            if fitted.get(key) is None and added.get(key) is None:
                raise _key_error(key, record)
        fitted.update(
            (name, value) for name, value in added.items() if name not in self._dropped
        )
        if rescued and self._rescue:
            fitted[RESCUED] = jsontext.dumps(rescued).decode()
        elif rescued and not self._has_rescue:
            fitted |= {
                name: jsontext.dumps(item).decode() for name, item in rescued.items()
            }
        return fitted

    def decoder(self) -> Callable[[bytes], Any] | None:
        r"""Return a test of payloads that `fit` would leave as they are.

        It raises `msgspec.MsgspecError` or `RecursionError` for all others, save one:
        a NUL (`\\u0000`) in a string is for the caller to find. None when the columns
        have no such test.
        """
        return compile_decoder(self._properties, self._keys, self._null_fields)

    def _may_be_column(self, name: str) -> bool:
        """Tell whether a column of that name can stand beside the others."""
        return (
            name not in self._deselected
            and storable.is_storable_name(name)
            and name.casefold() not in self._folded
            and len(self._properties) < _MOST_COLUMNS
        )

    def _declare(self, name: str, declared: Schema) -> None:
        self._properties[name] = declared
        self._folded.add(name.casefold())
        self._checks[name] = _converter(declared)
        self._null_fields.discard(name)

    def _take_unknown(
        self,
        name: str,
        value: Any,  # noqa: ANN401 - any JSON
        fitted: Record,
        rescued: Record,
    ) -> None:
        """Take a field that the schema lacks.

        Raises:
            SchemaError: With `schema_evolution: fail`.
        """
        if name in self._deselected:
            return
        evolution = self._evolution
        if name in self._added or name == RESCUED:
            rescued[name] = value
        elif evolution == "ignore":
            self._warn(name, "is dropped (schema_evolution: ignore)")
        elif evolution == "fail":
            msg = (
                f"the field {name!r} stands in no schema (schema_evolution: fail); add "
                "it to the schema, or let schema_evolution be add_columns or rescue"
            )
            raise SchemaError(msg)
        elif evolution == "rescue" or not self._may_be_column(name):
            rescued[name] = value
        elif value is None:
            if name not in self._null_fields:
                self._null_fields.add(name)
                self.version += 1
            fitted[name] = None
        elif storable.is_storable(value) or storable.is_big_integer(value):
            self._declare(name, infer_column(value, nested=self._nested))
            self.schema = self._make_schema()
            self.version += 1
            fitted[name] = self._checks[name](value)
        else:
            rescued[name] = value

    def _warn(self, name: str, what: str) -> None:
        if name not in self._warned:
            self._warned.add(name)
            _LOGGER.warning("The field %r stands in no schema and %s", name, what)

    def _make_schema(self) -> Schema:
        properties = dict(self._properties)
        if self._rescue:
            properties[RESCUED] = _RESCUED_SCHEMA
        properties |= self._added
        return {**self._rest, "type": "object", "properties": properties}


class _UnfitError(Exception):
    """A value does not fit its column."""


def _key_error(key: str, record: Record) -> SchemaError:
    if key not in record:
        state = "is missing"
    elif record[key] is None:
        state = "is null"
    else:
        state = "holds a value that its column cannot hold"
    msg = f"the key {key!r} {state} in a record; choose primary_keys that each has"
    return SchemaError(msg)


def _converter(declared: Schema) -> Callable[[Any], Any]:
    """Return what turns a value into the column's; it raises `_UnfitError`."""
    if declared.get("contentMediaType") == JSON_TEXT["contentMediaType"]:
        return _as_json_text
    test = fitting.check(declared)

    def convert(value: Any) -> Any:  # noqa: ANN401 - any JSON
        if test(value) and storable.is_storable(value):
            return value
        raise _UnfitError

    return convert


def _as_json_text(value: Any) -> str:  # noqa: ANN401 - any JSON
    """Return a value as text from which it can be told again.

    A text that reads like another value's would be taken for it, and does not fit.
    """
    if not isinstance(value, str):
        if storable.is_big_integer(value) or storable.is_storable(value):
            return jsontext.dumps(value).decode()
        raise _UnfitError
    if storable.is_storable(value) and not _reads_like_json(value):
        return value
    raise _UnfitError


def _reads_like_json(text: str) -> bool:
    if text.lstrip()[:1] not in set("{[-0123456789tfn"):
        return False
    try:
        return not isinstance(jsontext.parse(text.encode()), str)
    except jsontext.InvalidJson:
        return False


def prepare_schema(given: Mapping[str, Any], keys: Sequence[str]) -> Schema:
    """Return a user's schema, made ready for records that may lack anything.

    Properties other than keys are made nullable; arrays without declared items are
    open ones.

    Raises:
        ValueError: When it is no schema of an object with properties.
    """
    properties = given.get("properties")
    if not isinstance(properties, dict) or not properties:
        msg = "it declares no properties; a target would write rows without data"
        raise ValueError(msg)
    prepared = {}
    for name, declared in properties.items():
        if not isinstance(declared, dict):
            msg = f"the property {name!r} is no JSON Schema"
            raise ValueError(msg)  # noqa: TRY004 - a value of the user's config
        column = dict(declared)
        if fitting.types_of(column) - {"null"} == {"array"} and "items" not in column:
            column = {**column, **OPEN_ARRAY}
        prepared[name] = column if name in keys else fitting.nullable(column)
    required = [name for name in given.get("required", ()) if name in keys]
    rest = {name: value for name, value in given.items() if name != "required"}
    if required:
        rest["required"] = required
    return {**rest, "type": "object", "properties": prepared}
