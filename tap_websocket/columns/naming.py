"""The name of the column that a field goes to (`column_names`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tap_websocket.columns.target_limits import fold, is_storable_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

__all__ = ["ColumnNames", "ColumnNaming", "names_of"]

ColumnNaming = Literal["exact", "portable"]
"""Whether names that are one column to some target both stay, or one is renamed."""


class ColumnNames:
    """Gives each field a column of its own, in the order in which they ask.

    Args:
        naming: With `exact` a column has the name that its field is sent by. With
            `portable` one that a target may confuse with an earlier one has a suffix.
        reserved: The columns that the tap adds; no field has a name like these.
    """

    def __init__(self, naming: ColumnNaming, *, reserved: Iterable[str]) -> None:
        self._naming = naming
        self._reserved = frozenset(map(fold, reserved))
        # The columns that there are.
        self._names: set[str] = set()
        # Folded name to the first column that has it.
        self._first: dict[str, str] = {}
        # Folded name to the last suffix that was given to one like it.
        self._suffixes: dict[str, int] = {}

    def claim(self, name: str) -> str | None:
        """Take a column's name; no other field will be given it.

        Returns:
            An earlier column that some targets take for the same one, or None.
        """
        self._names.add(name)
        first = self._first.setdefault(fold(name), name)
        return None if first == name else first

    def free(self, sent_as: str) -> str | None:
        """Return the name for the column of a field that has none yet.

        Args:
            sent_as: The name of the field.

        Returns:
            The column's name, or None where no target, or not every one, can have it.
        """
        if not is_storable_name(sent_as) or self.is_reserved(sent_as):
            return None
        if self._naming == "exact":
            return sent_as if sent_as not in self._names else None
        name, folded = sent_as, fold(sent_as)
        suffix = self._suffixes.get(folded, 1)
        while fold(name) in self._first:
            suffix += 1
            name = f"{sent_as}_{suffix}"
        self._suffixes[folded] = max(1, suffix - 1)
        return name if is_storable_name(name) else None

    def may_be(self, name: str) -> bool:
        """Return whether every target can have a column of just this name."""
        return (
            is_storable_name(name)
            and not self.is_reserved(name)
            and name not in self._names
        )

    def is_reserved(self, name: str) -> bool:
        """Return whether a name is like that of a column that the tap adds."""
        return fold(name) in self._reserved


def names_of(
    fields: Iterable[str],
    naming: ColumnNaming,
    *,
    keys: Collection[str],
    reserved: Iterable[str],
) -> dict[str, str]:
    """Return the fields that have a column, by the names of their columns.

    Args:
        fields: The names that they are sent by, in the order in which they ask.
        naming: The setting `column_names`.
        keys: Key properties, which keep their names.
        reserved: The columns that the tap adds.
    """
    names = ColumnNames(naming, reserved=reserved)
    for key in keys:
        names.claim(key)
    found = {}
    for field in fields:
        name = field if field in keys else names.free(field)
        if name is not None:
            names.claim(name)
            found[name] = field
    return found
