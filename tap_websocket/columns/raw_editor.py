"""Records as bytes of which only what does not fit its column is looked at.

A record that needs a change seldom needs it in more than a field or two. The others
stay the bytes that the server sent, with their digits and escapes, and cost no Python
object each.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tap_websocket import jsontext
from tap_websocket.columns import payload_check
from tap_websocket.columns.names import RESCUED
from tap_websocket.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tap_websocket.columns.column_set import ColumnSet

    Conform = Callable[[dict[str, Any], Mapping[str, Any]], dict[str, Any]]
    """Makes fields fit the columns (see `Columns.conform`)."""

__all__ = ["Edited", "Fate", "RawEditor"]

Fate = Literal["drop", "rescue"]
"""What becomes of a field that is no column, in each record alike."""

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode

_EDITS_BEFORE_COMPILING = 32
"""A test of all columns at once is compiled when they have stood still for so long: to
compile one for each new column of a thousand costs seconds."""

_TEXTS = frozenset({RESCUED})

_MAX_FATES = 1000
"""Names that are remembered; a server may send any number of them."""

_REFUSED = (msgspec.MsgspecError, RecursionError)


class Edited(msgspec.Struct, frozen=True, gc=False):
    """A record that fits the columns.

    Attributes:
        line: Its JSON text, on one line.
        rescued: Whether a field went to `_rescued_data`.
    """

    line: bytes
    rescued: bool


class RawEditor:
    """Makes records fit the columns, by their bytes.

    Args:
        columns: The columns in force.
        keys: Key properties.
        conform: Makes the fields that do not fit as they stand fit.
        fate_of: Returns what becomes of a field every time, if that is known.
    """

    def __init__(
        self,
        columns: ColumnSet,
        keys: tuple[str, ...],
        *,
        conform: Conform,
        fate_of: Callable[[str], Fate | None],
    ) -> None:
        self._columns = columns
        self._keys = keys
        self._key_set = frozenset(keys)
        self._conform = conform
        self._fate_of = fate_of
        # The columns' version that the following were made for.
        self._version = -1
        self._edits = 0
        # Fields that `_fits` tests, and those of them whose column has another name.
        self._known: frozenset[str] = frozenset()
        self._renamed: dict[str, str] = {}
        # What becomes every time of fields that are no columns.
        self._fates: dict[str, Fate] = {}
        # Refuses a record in which a known field does not fit; None: not compiled.
        self._fits: Callable[[bytes], Any] | None = None

    def edit(
        self, text: bytes, added: Mapping[str, Any], *, checked: bool = False
    ) -> Edited | None:
        """Return a record that fits the columns; they grow first where they may.

        Args:
            text: A JSON object, valid UTF-8.
            added: The values of the columns that the tap adds.
            checked: `needs_slow_path` is known to be false for it.

        Returns:
            None where all of it has to be looked at.
        """
        if not checked and payload_check.needs_slow_path(text):
            return None
        try:
            members = _members(text)
            self._refresh()
            odd = {name: bytes(members.pop(name)) for name in self._odd(text, members)}
            for name in [n for n in self._renamed if n in members]:
                members[self._renamed[name]] = members.pop(name)
            fitted = self._fit(odd, members, added)
        except (*_REFUSED, jsontext.InvalidJson, SchemaError):
            # What ends the run is said of the whole record.
            return None
        return Edited(_line(members, fitted), RESCUED in fitted)

    def _fit(
        self,
        odd: Mapping[str, bytes],
        members: Mapping[str, msgspec.Raw],
        added: Mapping[str, Any],
    ) -> Mapping[str, Any]:
        """Return the columns of what does not fit as it stands, and those added.

        Raises:
            InvalidJson: When a value cannot be read.
            SchemaError: As `Columns.conform` does.
        """
        fates = self._fates
        if (
            added
            or not members.keys() >= self._key_set
            or not odd.keys() <= fates.keys()
        ):
            values = {name: jsontext.parse(raw) for name, raw in odd.items()}
            # A key that stays as it stands is there; its value is not asked for.
            there = {key: True for key in self._keys if key in members}
            fitted = self._conform(values, {**there, **added})
            self._learn(values)
            return fitted
        rescued = [
            b"%b:%b" % (_encode(name), _canonical(raw))
            for name, raw in odd.items()
            if fates[name] == "rescue"
        ]
        return {RESCUED: (b"{%b}" % b",".join(rescued)).decode()} if rescued else {}

    def _learn(self, names: Iterable[str]) -> None:
        """Keep what becomes of these fields every time, where that is known."""
        if self._version == self._columns.version:
            for name in names:
                fate = self._fate_of(name)
                if fate is not None and len(self._fates) < _MAX_FATES:
                    self._fates[name] = fate

    def _refresh(self) -> None:
        columns = self._columns
        if self._version != columns.version:
            self._version = columns.version
            self._edits = 0
            self._fits = None
            self._fates = {}
            kept, self._renamed = columns.sent_names()
            self._known = kept.union(self._renamed)
        self._edits += 1
        if self._edits == _EDITS_BEFORE_COMPILING:
            self._fits = columns.lenient_decoder()

    def _odd(self, text: bytes, members: Mapping[str, msgspec.Raw]) -> Iterable[str]:
        """Return the names of the fields that do not fit a column as they stand."""
        if self._fits is not None:
            try:
                self._fits(text)
            except _REFUSED:
                # Some known field does not fit: each is tested alone, below.
                pass
            else:
                odd = members.keys() - self._known
                # In the order in which they were sent: it shows in what is rescued.
                return odd if len(odd) <= 1 else [n for n in members if n in odd]
        return [
            name for name, raw in members.items() if not self._fits_alone(name, raw)
        ]

    def _fits_alone(self, name: str, raw: msgspec.Raw) -> bool:
        test = self._columns.field_decoder(name)
        if test is None:
            return False
        try:
            test(raw)
        except _REFUSED:
            return False
        return True


def _line(members: dict[str, msgspec.Raw], fitted: Mapping[str, Any]) -> bytes:
    """Return the JSON text of both, on one line."""
    if not fitted.keys() - _TEXTS:
        line = _encode({**members, **fitted} if fitted else members)
    else:
        # Values may be what `jsontext` alone can write; slices are none that it knows.
        parts = (_encode(members)[1:-1], jsontext.dumps(dict(fitted))[1:-1])
        line = b"{%b}" % b",".join(part for part in parts if part)
    if b"\n" in line or b"\r" in line:
        # Inside of a string a line break is escaped: these stand between tokens.
        line = line.replace(b"\n", b" ").replace(b"\r", b" ")
    return line


_PLAIN = re.compile(rb'"[^"\\]*"|[1-9][0-9]{0,17}|null|true|false')


def _canonical(raw: bytes) -> bytes:
    """Return a value's text as `jsontext.dumps` writes it."""
    if _PLAIN.fullmatch(raw) is not None:
        return raw
    return jsontext.dumps(jsontext.parse(raw))
