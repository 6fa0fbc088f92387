"""The schema in force, and how a record is made to fit it.

Nothing is lost and no type changes in mid-run: what has no place in its column goes
to `_rescued_data`, a string that holds a JSON object of such fields.
"""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from tap_websocket import jsontext
from tap_websocket.columns import json_types, target_limits
from tap_websocket.columns.inference import infer_column, is_text
from tap_websocket.columns.names import RESCUED
from tap_websocket.columns.payload_check import compile_decoder
from tap_websocket.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

__all__ = ["Columns", "Evolution"]

_LOGGER = logging.getLogger("tap-websocket")

Evolution = Literal["add_columns", "rescue", "ignore", "fail"]
"""What becomes of a field that the schema lacks (`schema_evolution`)."""

_RESCUED_SCHEMA = {"type": ["string", "null"]}

_MAX_COLUMNS = 1000
"""PostgreSQL has 1,600 in a table, and targets add their own."""

Record = dict[str, Any]
Schema = dict[str, Any]

_NONE: Mapping[str, Any] = {}


class Columns:
    """The columns of the stream, which may grow while records come.

    Attributes:
        schema: The JSON schema in force; a new object whenever it grows.
        version: Counts the changes after which `decoder` has to be asked for anew.
    """

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
        fields: Collection[str] = (),
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
            fields: The names of `message_fields`, which the schema need not have.
        """
        self._keys = tuple(keys)
        self._evolution = evolution
        self._deselected = frozenset(deselected)
        self._added = {
            name: declared for name, declared in added.items() if name not in deselected
        }
        self._rescue = rescue and RESCUED not in deselected
        self._has_rescue = rescue
        self._nested = nested
        self._fields = frozenset(fields)
        self._rest = {
            name: value for name, value in schema.items() if name != "properties"
        }
        self._closed = schema.get("additionalProperties", True) is not True
        self._properties: dict[str, Schema] = {}
        self._convert: dict[str, Callable[[Any], Any]] = {}
        self._owners = {
            target_limits.fold(name): name for name in (*keys, *added, RESCUED)
        }
        self._null_fields: set[str] = set()
        self._warned: set[str] = set()
        for name, declared in schema.get("properties", {}).items():
            if name in added or name == RESCUED or name in self._deselected:
                continue
            if self._may_be_column(name):
                self._declare(name, declared)
            else:
                self._warn(
                    name,
                    "is in the schema, but cannot be a column of every target (see "
                    "docs/columns.md); its values go to _rescued_data",
                )
        self.version = 0
        self.schema: Schema = self._make_schema()

    def conform(
        self,
        record: Record,
        added: Mapping[str, Any],
        fields: Mapping[str, Any] = _NONE,
        aside: Mapping[str, Any] = _NONE,
    ) -> Record:
        """Return a record that fits the columns; they grow first where they may.

        Args:
            record: The fields of a record.
            added: The values of the columns that the tap adds.
            fields: Those of `message_fields`; they win over the record's own.
            aside: What has no place in any column.

        Raises:
            SchemaError: When a key is missing, null or unfit, or a field is new and
                may not be.
        """
        fitted: Record = {}
        rescued: Record = dict(aside)
        if fields:
            rescued |= {name: record[name] for name in record.keys() & fields.keys()}
            record = {**record, **fields}
        for name, value in record.items():
            convert = self._convert.get(name)
            if convert is None:
                self._take_unknown(name, value, fitted, rescued)
            else:
                try:
                    fitted[name] = convert(value)
                except _Mismatch:
                    rescued[_free_name(name, rescued)] = value
        for key in self._keys:
            if fitted.get(key) is None and added.get(key) is None:
                raise _key_error(key, record)
        for name, value in added.items():
            if name in self._added:
                fitted[name] = value
        if rescued:
            self._put_aside(rescued, fitted)
        return fitted

    def decoder(self) -> Callable[[bytes], Any] | None:
        """Return a test of payloads that `conform` would leave as they are.

        It raises `msgspec.MsgspecError` or `RecursionError` for every other payload,
        except those that `payload_check.needs_slow_path` detects; check these first.

        Returns:
            The test, or None when msgspec has no types for the columns.
        """
        keys = [key for key in self._keys if key not in self._added]
        return compile_decoder(self._properties, keys, self._null_fields)

    def _may_be_column(self, name: str) -> bool:
        """Return whether a column of that name can be added to the others."""
        return (
            name not in self._deselected
            and target_limits.is_storable_name(name)
            and self._owners.get(target_limits.fold(name), name) == name
            and len(self._properties) < _MAX_COLUMNS
        )

    def _declare(self, name: str, declared: Schema) -> None:
        column = declared if name in self._keys else json_types.nullable(declared)
        self._properties[name] = column
        self._owners[target_limits.fold(name)] = name
        self._convert[name] = _converter(column, key=name in self._keys)
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
        evolution = "add_columns" if name in self._fields else self._evolution
        if name in self._added or name == RESCUED:
            rescued[name] = value
        elif evolution == "ignore":
            self._warn(name, "is not in the schema, and is dropped (schema_evolution)")
        elif evolution == "fail":
            msg = (
                f"the field {name!r} is not in the schema (schema_evolution: fail); "
                "add it there, or let schema_evolution be add_columns or rescue"
            )
            raise SchemaError(msg)
        elif evolution == "rescue" or not self._may_be_column(name):
            rescued[name] = value
        elif value is None:
            self._take_null(name, fitted, rescued)
        elif target_limits.is_storable(value) or target_limits.is_big_integer(value):
            self._declare(name, infer_column(value, nested=self._nested))
            self.schema = self._make_schema()
            self.version += 1
            fitted[name] = self._convert[name](value)
        else:
            rescued[name] = value

    def _take_null(self, name: str, fitted: Record, rescued: Record) -> None:
        """Take a null that tells no type: it needs no column, if it may have none."""
        if name not in self._null_fields:
            if self._closed or len(self._null_fields) >= _MAX_COLUMNS:
                rescued[name] = None
                return
            self._null_fields.add(name)
            self._owners[target_limits.fold(name)] = name
            self.version += 1
        fitted[name] = None

    def _put_aside(self, rescued: Record, fitted: Record) -> None:
        """Write what has no place in its column."""
        if self._rescue:
            fitted[RESCUED] = jsontext.dumps(rescued).decode()
        elif not self._has_rescue:
            for name, value in rescued.items():
                fitted[name] = jsontext.dumps(value).decode()

    def _warn(self, name: str, what: str) -> None:
        if name not in self._warned and len(self._warned) < _MAX_COLUMNS:
            self._warned.add(name)
            _LOGGER.warning("The field %a %s", name, what)

    def _make_schema(self) -> Schema:
        properties = dict(self._properties)
        if self._rescue:
            properties[RESCUED] = _RESCUED_SCHEMA
        properties |= self._added
        schema = {**self._rest, "type": "object", "properties": properties}
        required = [name for name in schema.pop("required", ()) if name in self._keys]
        return {**schema, "required": required} if required else schema


def _free_name(name: str, rescued: Record) -> str:
    """Return where a message field goes, beside a record's own of the same name."""
    return f"message_fields.{name}" if name in rescued else name


class _Mismatch(Exception):
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


def _converter(declared: Schema, *, key: bool) -> Callable[[Any], Any]:
    """Return what turns a value into the column's; it raises `_Mismatch`."""
    if is_text(declared):
        return _as_key_text if key else _as_json_text
    test = json_types.check(declared)

    def convert(value: Any) -> Any:  # noqa: ANN401 - any JSON
        if test(value) and target_limits.is_storable(value):
            return value
        raise _Mismatch

    return convert


def _as_key_text(value: Any) -> str | None:  # noqa: ANN401 - any JSON
    """Return a text as it is, and a number as text."""
    if isinstance(value, bool):
        raise _Mismatch
    if isinstance(value, int | Decimal):
        return jsontext.dumps(value).decode()
    if value is None or (isinstance(value, str) and target_limits.is_storable(value)):
        return value
    raise _Mismatch


def _as_json_text(value: Any) -> str | None:  # noqa: ANN401 - any JSON
    """Return a value as text from which it can be told again.

    A text is written as it is, unless it reads like JSON: then it is quoted.
    """
    if value is None:
        return None
    if not (target_limits.is_storable(value) or target_limits.is_big_integer(value)):
        raise _Mismatch
    if isinstance(value, str) and not _reads_like_json(value):
        return value
    return jsontext.dumps(value).decode()


def _reads_like_json(text: str) -> bool:
    try:
        jsontext.parse(text)
    except jsontext.InvalidJson:
        return False
    return True
