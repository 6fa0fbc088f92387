"""What a JSONPath is to its callers, whichever way it is followed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tap_websocket.jsontext import JsonValue
    from tap_websocket.largejson.values import LargeArray

__all__ = ["EACH", "MISSING", "Path", "Step", "leads_into"]


class _Missing:
    """The type of `MISSING`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()
"""What `Path.first` returns where nothing matches; JSON's null is a match."""


class _Each:
    """The type of `EACH`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "EACH"


EACH: Final = _Each()
"""The step to every item of an array, in `Path.steps`."""

Step = str | int | _Each
"""A step of a plain path: a name, an index, or to every item."""


def leads_into(path: Sequence[Step], other: Sequence[Step]) -> bool:
    """Return whether a path leads to where another one leads, or on from there."""
    return tuple(path[: len(other)]) == tuple(other)


class Path(Protocol):
    """A JSONPath."""

    @property
    def steps(self) -> tuple[Step, ...] | None:
        """Return the names, indices and `EACH` that it is made of.

        None where it is made of anything else.
        """

    @property
    def ways(self) -> tuple[tuple[Step, ...], ...] | None:
        """Return the steps of each of the paths that it joins, or its own.

        None where one of them is made of anything else.
        """

    @property
    def each(self) -> tuple[Step, ...] | None:
        """Return the way to the array whose items are each followed alone.

        The matches in the array are those in its first items and those in the others.
        None where there is no such array, or no way of names and indices to it.
        """

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names that a document needs for a match, as far as is known."""

    @property
    def at_once(self) -> int:
        """Return how many characters its regular expressions search in milliseconds."""

    def find(self, document: JsonValue) -> list[Any] | LargeArray:
        """Return the values of all matches, in order.

        They are a large array where they are just its items.

        Raises:
            ParseError: When a regular expression in it takes too long; so do the
                others.
        """

    def first(self, document: JsonValue) -> JsonValue:
        """Return the value of the first match, or `MISSING`."""

    def update(self, document: JsonValue, new: Callable[[Any], Any]) -> JsonValue:
        """Replace the value of each match in place.

        Args:
            document: A parsed document; it is changed.
            new: Returns the new value for an old one.

        Returns:
            The document, or what replaces it where the path is `$`.
        """
