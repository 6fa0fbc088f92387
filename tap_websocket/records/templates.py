"""Templates: what the records of messages of one shape look like.

A template is derived from a message that was sliced. Its values are replaced by marks,
which shows where the slicer puts each of them; what becomes of a record's fields is
asked of the columns. The result has to be what the other ways make of that message,
else there is no template.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_websocket import jsontext
from tap_websocket.errors import TapError
from tap_websocket.records.shape import Shape, shape_of
from tap_websocket.records.template_draft import (
    Draft,
    NoTemplateError,
    is_markable,
    marked,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tap_websocket.columns.columns import Columns
    from tap_websocket.expressions.path import Path, Step
    from tap_websocket.records.slicer import SlicedDocument, Slicer
    from tap_websocket.records.template_format import Piece, Template

__all__ = ["TemplateMaker"]

_MOST_LEAVES = 64
"""To compile a pattern takes half a millisecond for each."""


class TemplateMaker:
    """Derives templates from messages.

    Args:
        slicer: Cuts records out of messages.
        columns: What becomes of their fields.
        compared: The ways to the values that decide what a document is: they are part
            of the shape.
        by: The paths of `deduplicate.by`.
        separator: What stands between the documents of a message, if anything does.
    """

    def __init__(
        self,
        slicer: Slicer,
        columns: Columns,
        *,
        compared: Sequence[Sequence[Step]],
        by: Sequence[Path],
        separator: bytes | None,
    ) -> None:
        self._slicer = slicer
        self._columns = columns
        self._compared = [tuple(path) for path in compared]
        self._by = by
        self._separator = separator

    def make(self, message: bytes, added: Mapping[str, Any]) -> Template | None:
        """Derive the template of a message.

        Args:
            message: One that was taken another way, whose documents are all data.
            added: The values of the columns that the tap adds.

        Returns:
            None where there is none for it.
        """
        if not is_markable(message):
            return None
        shape = shape_of(message, self._separator)
        if shape is None or len(shape.leaves) > _MOST_LEAVES:
            return None
        try:
            return self._make(shape, added)
        except (NoTemplateError, TapError, jsontext.InvalidJson):
            return None

    def _make(self, shape: Shape, added: Mapping[str, Any]) -> Template:
        cut, whole = self._cut(marked(shape)), self._cut(shape.text)
        records = [record for part in cut for record in part.records]
        samples = [record for part in whole for record in part.records]
        if len(records) != len(samples) or len({part.is_whole for part in cut}) > 1:
            raise NoTemplateError
        draft = Draft(shape, self._columns)
        # An item of an array is a document of its own, with paths of its own.
        inside = (not cut[0].is_whole) + (self._separator is not None)
        draft.pin(self._compared, inside)
        lines: list[Piece] = []
        keys: list[Piece] = []
        for number, record in enumerate(records):
            if number:
                lines.append(b"\n")
                keys.append(b"\n")
            lines += draft.line(record)
            if self._by:
                keys += draft.key(record, self._by)
        template = draft.template(lines, keys if self._by else None)
        self._check(template, shape.text, samples, added)
        return template

    def _cut(self, message: bytes) -> list[SlicedDocument]:
        """Cut a message up; each of its documents has a record.

        Raises:
            NoTemplateError: When that is not so.
        """
        found: list[SlicedDocument] = []
        separator = self._separator
        documents = [message] if separator is None else message.split(separator)
        for document in filter(None, documents):
            parts = self._slicer.slice(document, seen=False)
            if parts is None or not any(part.records for part in parts):
                raise NoTemplateError
            found += parts
        return found

    def _check(
        self,
        template: Template,
        message: bytes,
        samples: Sequence[bytes],
        added: Mapping[str, Any],
    ) -> None:
        """Compare what a template makes with what the editor makes.

        Raises:
            NoTemplateError: When it is not the same.
        """
        found = template.find(b"\n" + message)
        head = jsontext.dumps(dict(added))[1:-1] + b"," if added else b""
        (text,) = template.lines.texts(found, head)
        lines = text.split(b"\n")
        if found == [template.missed] or len(lines) != len(samples):
            raise NoTemplateError
        for line, sample in zip(lines, samples, strict=True):
            edited = self._columns.edit(sample, added)
            if edited is None or jsontext.parse(edited.line) != jsontext.parse(line):
                raise NoTemplateError
