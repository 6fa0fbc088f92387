"""How what templates look at is laid out: one JSON value, or several of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tap_websocket.expressions.path import EACH, leads_into
from tap_websocket.records.templates.pattern_texts import SEPARATOR
from tap_websocket.records.views import Unviewable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_websocket.expressions.path import Step
    from tap_websocket.records.router import MessageRouter
    from tap_websocket.records.templates.pattern_texts import PatternTexts
    from tap_websocket.records.templates.shape import Opens
    from tap_websocket.settings import DecodingSettings

__all__ = ["Layout", "layout_of"]


class Layout(msgspec.Struct, frozen=True):
    """Where what stands in a text that templates look at.

    Attributes:
        separator: Stands between its values; None where there is one.
        opens: Says which strings are parsed in place (`json_fields`); None where none
            is.
        groups: Behind the document a value for each of these groups of
            `message_pattern`, null where the group is not in the match.
        fields: Columns that groups fill, each with its group.
        decides: Behind these the number of the rule for texts that replies, or null.
        items: The way, in the document, to the array whose items are its records; None
            where there is none, or more of it is looked at.
    """

    separator: bytes | None
    opens: Opens | None
    groups: Sequence[str] = ()
    fields: Sequence[tuple[str, str]] = ()
    decides: bool = False
    items: tuple[Step, ...] | None = None


def layout_of(
    settings: DecodingSettings,
    texts: PatternTexts | None,
    router: MessageRouter,
) -> Layout:
    """Return how the texts of some settings are laid out.

    Args:
        settings: What a message looks like.
        texts: Finds what templates look at; None where that is the document.
        router: Knows what rules and replies look at.

    Raises:
        Unviewable: When a path of `json_fields` does not say what it opens.
    """
    opens, items = _opener(settings), _items(settings, router)
    if texts is None:
        return Layout(None, opens, items=items)
    return Layout(
        SEPARATOR.encode(),
        opens,
        texts.groups,
        settings.group_fields,
        texts.decides,
        items,
    )


def _items(
    settings: DecodingSettings, router: MessageRouter
) -> tuple[Step, ...] | None:
    """Return the way to the array whose items are records (see `Layout`)."""
    ways = None if settings.records_path is None else settings.records_path.ways
    if ways is None or len(ways) > 1:
        return None
    way = tuple(ways[0])
    if way[-1:] == (EACH,):
        way = way[:-1]
    elif settings.keeps_arrays:
        return None
    fields = [path.steps for _, path in settings.message_fields]
    if EACH in way or any(
        path is None or leads_into(path, way) for path in (*fields, *router.compared)
    ):
        return None
    # How many items there are decides nothing, either.
    if any(path != way and leads_into(path, way) for path in router.looked_at):
        return None
    return way


def _opener(settings: DecodingSettings) -> Opens | None:
    """Return what says which strings are parsed in place, if any.

    Raises:
        Unviewable: When a path does not say.
    """
    ways: list[tuple[Step, ...]] = []
    for path in settings.json_fields:
        if path.ways is None:
            raise Unviewable
        ways += path.ways
    if not all(way and all(map(_is_fixed, way)) for way in ways):
        raise Unviewable
    if not ways:
        return None

    def opens(path: Sequence[Step]) -> bool:
        return any(_leads(way, path) for way in ways)

    return opens


def _is_fixed(step: Step) -> bool:
    """Return whether a step leads to the same place in each message of a shape."""
    return not isinstance(step, int) or step >= 0


def _leads(way: Sequence[Step], path: Sequence[Step]) -> bool:
    """Return whether a way may lead to a value."""
    return len(way) == len(path) and all(
        step is EACH or step == to for step, to in zip(way, path, strict=True)
    )
