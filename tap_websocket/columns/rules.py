"""What may be a column, and what becomes of a field that is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from tap_websocket.columns.names import RESCUED

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from tap_websocket.columns.naming import ColumnNaming
    from tap_websocket.columns.stored_columns import Column, StoredColumns
    from tap_websocket.jsontext import Schema

    Save = Callable[[Sequence[Column]], StoredColumns | None]
    """Saves new columns and returns all that are saved; None where it cannot now."""

__all__ = ["ColumnRules", "Evolution"]

Evolution = Literal["add_columns", "rescue", "ignore", "fail"]
"""What becomes of a field that the schema lacks (`schema_evolution`)."""


class ColumnRules(msgspec.Struct, frozen=True):
    """The rules for the columns of a run.

    Attributes:
        keys: The key properties.
        evolution: What becomes of a field that the schema lacks.
        added: Columns that the tap adds; they win over a record's own fields.
        rescue: Declare `_rescued_data`.
        deselected: Properties that stay out for good.
        nested: Type nested objects and arrays of new fields, too.
        fields: The names of `message_fields`, which always become columns.
        naming: What becomes of names that some target takes for one.
        save: Saves new columns before they are announced, where they are to last.
        takes_schema: Returns whether what comes behind takes a schema; a column with
            which it does not is none.
    """

    keys: Sequence[str]
    evolution: Evolution
    added: Mapping[str, Schema]
    rescue: bool
    deselected: Collection[str] = ()
    nested: bool = False
    fields: Collection[str] = ()
    naming: ColumnNaming = "exact"
    save: Save | None = None
    takes_schema: Callable[[Schema], bool] | None = None

    @property
    def rescues(self) -> bool:
        """Whether records have the column `_rescued_data`, which a catalog may drop."""
        return self.rescue and RESCUED not in self.deselected
