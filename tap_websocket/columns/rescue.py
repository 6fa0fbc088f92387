"""What has no place in any column: put aside, warned of once, written as one column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_websocket import jsontext
from tap_websocket.columns.conversion import mismatch_reason
from tap_websocket.columns.field_log import FieldLog
from tap_websocket.columns.names import RESCUED

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_websocket.jsontext import Record, Schema

__all__ = ["Rescue"]

_PAGE = (
    "https://github.com/tap-websocket/tap-websocket/blob/main/docs/columns.md"
    "#_rescued_data"
)
_WIDEN_PAGE = (
    "https://github.com/tap-websocket/tap-websocket/blob/main/docs/cookbook.md"
    "#change-a-columns-type"
)


class Rescue:
    """Takes values that no column can hold, record by record.

    Args:
        declared: Whether the stream has the column `_rescued_data`.
        selected: Whether the catalog leaves it in.
        widens: Whether a user can widen a column's type for the next run.
    """

    def __init__(self, *, declared: bool, selected: bool, widens: bool) -> None:
        self._declared = declared
        self._writes = declared and selected
        self._widens = widens
        self._log = FieldLog(
            "went to _rescued_data", page=_WIDEN_PAGE if widens else _PAGE
        )

    @property
    def writes(self) -> bool:
        """Whether records have the column `_rescued_data`."""
        return self._writes

    def put(
        self,
        rescued: Record,
        name: str,
        value: Any,  # noqa: ANN401 - any JSON
        why: Callable[[], str],
    ) -> None:
        """Put a field aside, and warn of it the first time.

        Args:
            rescued: The fields of the record that were put aside; it grows.
            name: The field's name, as it was sent.
            value: Its value.
            why: Returns the reason, without any value.
        """
        rescued[name] = value
        if self._writes:
            self._log.note(name, why)

    def put_mismatch(
        self,
        rescued: Record,
        name: str,
        value: Any,  # noqa: ANN401 - any JSON
        schema: Schema,
    ) -> None:
        """Put a value aside that its column cannot hold.

        Args:
            rescued: The fields of the record that were put aside; it grows.
            name: The field's name, as it was sent.
            value: Its value.
            schema: JSON schema of the column.
        """
        # A message field stands beside a record's own field of the same name.
        place = f"message_fields.{name}" if name in rescued else name
        self.put(rescued, place, value, lambda: self._misfit(schema, value))

    def _misfit(self, schema: Schema, value: Any) -> str:  # noqa: ANN401 - any JSON
        reason = mismatch_reason(schema, value)
        if not self._widens:
            return reason
        return (
            f"{reason} (to widen the column, change its type in the file of "
            "schema_location and alter the table)"
        )

    def write(self, rescued: Record, fitted: Record) -> None:
        """Write what was put aside into the record.

        Args:
            rescued: The fields that were put aside.
            fitted: The values of the columns; it gets one more.
        """
        if self._writes:
            fitted[RESCUED] = jsontext.dumps(rescued).decode()
        elif not self._declared:
            # The column `data` takes any JSON, and so the text of what it cannot hold.
            for name, value in rescued.items():
                fitted[name] = jsontext.dumps(value).decode()

    def close(self) -> None:
        """Warn of how many fields were not warned of one by one."""
        self._log.close()
