"""What has no place in any column: put aside, warned of once, written as one column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_websocket import jsontext
from tap_websocket.columns import json_types
from tap_websocket.columns.conversion import mismatch_reason
from tap_websocket.columns.field_log import ODD_VALUES_PAGE, FieldLog
from tap_websocket.columns.names import RESCUED

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_websocket.jsontext import JsonValue, Record, Schema

__all__ = ["Aside", "Rescue"]

_MAX_NAMES = 10_000
_NUMBERS = frozenset({"integer", "number"})


class Aside(dict[str, Any]):
    """The fields of a record that were put aside; those of a large one become text.

    Also has a name whose field is text already, unless these are thousands.
    """

    # One is made for each record that does not fit as it stands, so none of these
    # belongs to it before it is needed.
    _names: frozenset[str] = frozenset()
    # What was written, without the braces.
    _texts: tuple[bytes, ...] = ()
    # All of it is to be ASCII, as `jsontext.dumps` would write it as a whole.
    _in_ascii = False

    def __bool__(self) -> bool:
        """Return whether there are any fields."""
        return len(self) > 0 or bool(self._texts)

    def __contains__(self, name: object) -> bool:
        """Return whether a field of a name was put aside."""
        return super().__contains__(name) or name in self._names

    def write_out(self) -> None:
        """Make text of the fields so far."""
        if len(self) == 0:
            return
        if len(self._names) < _MAX_NAMES:
            self._names = self._names.union(self)
        try:
            text = jsontext.encode(dict(self))
        except (UnicodeEncodeError, RecursionError):
            self._in_ascii = True
            text = jsontext.dumps_in_ascii(dict(self))
        self._texts += (text[1:-1],)
        self.clear()

    def text(self) -> str:
        """Return the JSON text of all fields."""
        if not self._texts:
            return jsontext.dumps(dict(self)).decode()
        self.write_out()
        text = b"{%b}" % b",".join(self._texts)
        return (jsontext.to_ascii(text) if self._in_ascii else text).decode()


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
        writes: Whether records have it: the catalog may leave it out.
        widens: Whether a user can widen a column's type for the next run.
    """

    def __init__(self, *, declared: bool, writes: bool, widens: bool) -> None:
        self._declared = declared
        self._writes = writes
        self._widens = widens
        self._log = FieldLog("went to _rescued_data", page=_PAGE)

    @property
    def writes(self) -> bool:
        """Whether records have the column `_rescued_data`."""
        return self._writes

    def put(
        self,
        rescued: Record,
        name: str,
        value: JsonValue,
        why: Callable[[], str],
        *,
        page: Callable[[], str] = lambda: "",
    ) -> None:
        """Put a field aside, and warn of it the first time.

        Args:
            rescued: The fields of the record that were put aside; it grows.
            name: The field's name, as it was sent.
            value: Its value.
            why: Returns the reason, without any value.
            page: Returns the address of what to do about it, where that is known.
        """
        rescued[name] = value
        if self._writes:
            self._log.note(name, why, page=page)

    def put_mismatch(
        self,
        rescued: Record,
        name: str,
        value: JsonValue,
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
        self.put(
            rescued,
            place,
            value,
            lambda: self._misfit(schema, value),
            page=lambda: self._page_of(schema, value),
        )

    def _page_of(self, schema: Schema, value: JsonValue) -> str:
        """Return what to do about a value that its column cannot hold."""
        if not self._widens:
            return ""
        odd = isinstance(value, str) and json_types.types_of(schema) & _NUMBERS
        return ODD_VALUES_PAGE if odd else _WIDEN_PAGE

    def _misfit(self, schema: Schema, value: JsonValue) -> str:
        reason = mismatch_reason(schema, value)
        if not self._widens:
            return reason
        return (
            f"{reason} (to widen the column, change its type in the file of "
            "schema_location and alter the table)"
        )

    def write(self, rescued: Aside, fitted: Record) -> None:
        """Write what was put aside into the record.

        Args:
            rescued: The fields that were put aside.
            fitted: The values of the columns; it gets one more.
        """
        if self._writes:
            fitted[RESCUED] = rescued.text()
        elif not self._declared:
            # The column `data` takes any JSON, and so the text of what it cannot hold.
            for name, value in rescued.items():
                fitted[name] = jsontext.dumps(value).decode()

    def close(self) -> None:
        """Warn of how many fields were not warned of one by one."""
        self._log.close()
