"""Views of a document: the parts that paths lead to, cut out of its bytes.

Plain paths (names, indices, `[*]`) are compiled into one msgspec type; decoding it
skips everything else at the speed of a validation. A document that is built otherwise
than the paths expect is refused, and has to be looked at as a whole.
"""

from __future__ import annotations

import operator
from decimal import Decimal, InvalidOperation
from types import GenericAlias
from typing import TYPE_CHECKING, Any

import msgspec

from tap_websocket import jsontext
from tap_websocket.columns.payload_check import is_field_name
from tap_websocket.expressions.path import EACH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tap_websocket.expressions.path import Path, Step
    from tap_websocket.jsontext import JsonValue

__all__ = ["PartialView", "SliceView", "Unviewable", "partial_view"]

_MAX_INDEX = 100
"""An array's type has a field for each item up to the last one that is wanted."""


class Unviewable(Exception):
    """No view has these paths: they overlap, or lead over names that none can have."""


class SliceView:
    """Cuts values out of documents, each as the bytes that were sent.

    Args:
        paths: What they are found by.

    Attributes:
        decode: Makes of a document what the finders take.
        finders: Return the matches of each path, in the order of the paths.

    Raises:
        Unviewable: When no view has these paths.
    """

    def __init__(self, paths: Sequence[Sequence[Step]]) -> None:
        root = _tree(paths)
        self.decode: Callable[[bytes], Any] = msgspec.json.Decoder(
            _type(root, msgspec.Raw)
        ).decode
        self.finders = [_finder(_chain(root, path)) for path in paths]


class PartialView:
    """Parses the parts of documents that paths lead to, and leaves the others out.

    Args:
        paths: Names and indices; a path over another's end is left out with it.

    Raises:
        Unviewable: When no view has these paths.
    """

    def __init__(self, paths: Iterable[Sequence[Step]]) -> None:
        self._root = _tree(paths)
        _prune(self._root)
        self._decode = (
            msgspec.json.Decoder(_type(self._root, Any), float_hook=_decimal).decode
            if self._root.steps or self._root.ends
            else None
        )
        # Name and field of each part, where all are members of the document itself.
        self._flat: list[tuple[Step, str]] | None = None
        if self._root.steps and not any(
            inner.steps for inner in self._root.steps.values()
        ):
            self._flat = [
                (step, field)
                for step, field in self._root.fields.items()
                if isinstance(step, str)
            ] or None

    def reader(
        self, value: Sequence[Step], others: Sequence[Sequence[Step]]
    ) -> Callable[[Iterable[bytes]], list[tuple[Any, Any]]]:
        """Return what finds values in documents, up to one that is built otherwise.

        Of each it returns the value at a path, and that at the other one; a tuple where
        these are more or none. What is missing is `UNSET`.

        Args:
            value: One of the paths.
            others: More of them.
        """
        decode: Callable[[bytes], Any] = self._decode or _nothing
        first = self._getter([value])
        second = self._getter(others) if others else _no_values

        def read(documents: Iterable[bytes]) -> list[tuple[Any, Any]]:
            found: list[tuple[Any, Any]] = []
            try:
                for document in documents:
                    decoded = decode(document)
                    found.append((first(decoded), second(decoded)))
            except (msgspec.MsgspecError, RecursionError, AttributeError):
                # Nothing stands in front of a path's last name, for one.
                pass
            return found

        return read

    def _getter(self, paths: Sequence[Sequence[Step]]) -> Callable[[Any], Any]:
        chains = (_chain(self._root, path) for path in paths)
        return operator.attrgetter(*(".".join(map(str, chain)) for chain in chains))

    def of(self, document: bytes) -> JsonValue:
        """Return what of a document the paths lead to.

        Raises:
            msgspec.MsgspecError: When it is built otherwise than the paths expect.
            RecursionError: When it is nested too deeply.
        """
        if self._decode is None:
            return {}
        decoded = self._decode(document)
        if self._flat is None:
            return _plain(decoded, self._root)
        return {
            name: value
            for name, field in self._flat
            if (value := getattr(decoded, field)) is not msgspec.UNSET
        }


def _decimal(text: str) -> Decimal:
    """Return a number; it is none for `decimal` with an exponent of over 18 digits.

    Raises:
        msgspec.ValidationError: When it is none.
    """
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise msgspec.ValidationError(jsontext.BAD_EXPONENT) from error


def _nothing(document: bytes) -> None:
    del document


def _no_values(decoded: Any) -> tuple[()]:  # noqa: ANN401 - a decoded part
    del decoded
    return ()


def partial_view(paths: Iterable[Path]) -> PartialView | None:
    """Return the view of what paths lead to; None where they are not plain."""
    steps = [path.steps for path in paths]
    known = [path for path in steps if path is not None and EACH not in path]
    if len(known) < len(steps):
        return None
    try:
        return PartialView(known)
    except Unviewable:
        return None


class _Node:
    """A place in a document that paths lead to or over.

    Attributes:
        ends: A path ends here.
        steps: Where paths go on from here.
        fields: Step to the field, of the type of what stands here, that holds it.
    """

    __slots__ = ("ends", "fields", "steps")

    def __init__(self) -> None:
        self.ends = False
        self.steps: dict[Step, _Node] = {}
        self.fields: dict[Step, str] = {}


def _tree(paths: Iterable[Sequence[Step]]) -> _Node:
    root = _Node()
    for path in paths:
        node = root
        for step in path:
            node = node.steps.setdefault(step, _Node())
        node.ends = True
    return root


def _prune(node: _Node) -> None:
    """Leave out what stands inside of something that is parsed as a whole."""
    if node.ends:
        node.steps.clear()
    for inner in node.steps.values():
        _prune(inner)


def _chain(root: _Node, path: Sequence[Step]) -> list[str | None]:
    """Return the fields that a path leads over; None for every item of an array."""
    node, chain = root, []
    for step in path:
        chain.append(None if step is EACH else node.fields[step])
        node = node.steps[step]
    return chain


def _finder(chain: Sequence[str | None]) -> Callable[[Any], list[bytes]]:
    """Return what follows fields; the common ways are one look-up each."""
    if chain and None not in chain:
        get = operator.attrgetter(".".join(map(str, chain)))

        def find_one(decoded: Any) -> list[bytes]:  # noqa: ANN401 - a decoded part
            try:
                found = get(decoded)
            except AttributeError:
                # Nothing stands in front of the last name.
                return []
            return [] if found is msgspec.UNSET else [bytes(found)]

        return find_one
    if len(chain) > 1 and chain[-1] is None and None not in chain[:-1]:
        get_all = operator.attrgetter(".".join(map(str, chain[:-1])))

        def find_all(decoded: Any) -> list[bytes]:  # noqa: ANN401 - a decoded part
            try:
                found = get_all(decoded)
            except AttributeError:
                return []
            return [] if found is msgspec.UNSET else list(map(bytes, found))

        return find_all

    def find(decoded: Any) -> list[bytes]:  # noqa: ANN401 - a decoded part
        values = [decoded]
        for field in chain:
            if field is None:
                values = [item for items in values for item in items]
            else:
                found = [getattr(value, field) for value in values]
                values = [value for value in found if value is not msgspec.UNSET]
        return list(map(bytes, values))

    return find


def _plain(value: JsonValue, node: _Node) -> JsonValue:
    """Return a decoded part as JSON values."""
    if not node.steps:
        return value
    if isinstance(next(iter(node.steps)), str):
        return {
            step: _plain(found, inner)
            for step, inner in node.steps.items()
            if (found := getattr(value, node.fields[step])) is not msgspec.UNSET
        }
    items: list[Any] = []
    for number, field in enumerate(value.__struct_fields__):
        found = getattr(value, field)
        if found is msgspec.UNSET:
            break
        inner = node.steps.get(number)
        items.append(None if inner is None else _plain(found, inner))
    return items


def _type(node: _Node, leaf: Any) -> Any:  # noqa: ANN401 - a type
    """Return the type of what stands at a place.

    Raises:
        Unviewable: When there is none.
    """
    if not node.steps:
        return leaf
    if node.ends:
        raise Unviewable
    if EACH in node.steps:
        if len(node.steps) > 1:
            raise Unviewable
        return GenericAlias(list, (_type(node.steps[EACH], leaf),))
    if isinstance(next(iter(node.steps)), str):
        return _object_type(node, leaf)
    return _array_type(node, leaf)


def _object_type(node: _Node, leaf: Any) -> Any:  # noqa: ANN401 - a type
    names: dict[str, str] = {}
    fields: list[tuple[str, Any, Any]] = []
    for number, (step, inner) in enumerate(node.steps.items()):
        if not isinstance(step, str) or not is_field_name(step):
            raise Unviewable
        node.fields[step] = f"f{number}"
        names[f"f{number}"] = step
        fields.append((f"f{number}", _type(inner, leaf), msgspec.UNSET))
    return msgspec.defstruct("Part", fields, rename=names, gc=False)


def _array_type(node: _Node, leaf: Any) -> Any:  # noqa: ANN401 - a type
    wanted: dict[int, _Node] = {}
    for step, inner in node.steps.items():
        if not isinstance(step, int) or not 0 <= step <= _MAX_INDEX:
            raise Unviewable
        wanted[step] = inner
        node.fields[step] = f"f{step}"
    fields: list[tuple[str, Any, Any]] = []
    for number in range(max(wanted) + 1):
        kind = _type(wanted[number], leaf) if number in wanted else msgspec.Raw
        fields.append((f"f{number}", kind, msgspec.UNSET))
    return msgspec.defstruct("Items", fields, array_like=True, gc=False)
