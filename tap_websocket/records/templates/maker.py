"""Templates: what the records of messages of one shape look like.

A template is derived from a message that was sliced. Its values are replaced by marks,
which shows where the slicer puts each of them; what becomes of a record's fields is
asked of the columns. The result has to be what the other ways make of that message,
else there is no template.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tap_websocket import jsontext
from tap_websocket.errors import TapError
from tap_websocket.expressions.documents import Document
from tap_websocket.expressions.placeholders import ConnectionBuiltins
from tap_websocket.records.added_values import head_of
from tap_websocket.records.templates.draft import (
    Draft,
    NoTemplateError,
    is_markable,
    marked,
)
from tap_websocket.records.templates.shape import Shape, shape_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tap_websocket.columns.columns import Columns
    from tap_websocket.expressions.path import Path
    from tap_websocket.expressions.templates import Template as ReplyTemplate
    from tap_websocket.jsontext import Record
    from tap_websocket.records.router import MessageRouter
    from tap_websocket.records.slicer import SlicedDocument, Slicer
    from tap_websocket.records.templates.layout import Layout
    from tap_websocket.records.templates.template import Piece, Template

__all__ = ["TemplateMaker"]

_NULL = b"null"

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode

_MAX_LEAVES = 64
"""To compile a pattern takes half a millisecond for each."""


class _Cut(msgspec.Struct, frozen=True, gc=False):
    """A document of a text that templates look at, cut up.

    Attributes:
        document: The document, a JSON value.
        parts: The documents of it, if it is an array of such; else itself.
        groups: The groups of `message_pattern`: a JSON string for each in the match.
        rule: The number of the rule for texts that replies to it, or null.
    """

    document: bytes
    parts: list[SlicedDocument]
    groups: Mapping[str, bytes]
    rule: bytes

    @property
    def answered(self) -> Mapping[str, str | None]:
        """The groups as replies take them."""
        return {name: jsontext.parse(text) for name, text in self.groups.items()}


class TemplateMaker:
    """Derives templates from messages.

    Args:
        slicer: Cuts records out of messages.
        columns: What becomes of their fields.
        router: Knows what decides what a document is: that is part of the shape.
        by: The paths of `deduplicate.by`.
        layout: Where what stands in a message; the slicer takes documents without
            strings that are parsed in place.
    """

    def __init__(
        self,
        slicer: Slicer,
        columns: Columns,
        *,
        router: MessageRouter,
        by: Sequence[Path],
        layout: Layout,
    ) -> None:
        self._slicer = slicer
        self._columns = columns
        self._compared = [tuple(path) for path in router.compared]
        self._rules = router.rules.texts
        self._by = by
        self._layout = layout

    def make(
        self,
        message: bytes,
        replies: Sequence[ReplyTemplate | None],
        added: Record,
    ) -> Template | None:
        """Derive the template of a message.

        Args:
            message: One that was taken another way, whose documents are all data.
            replies: What rules for parsed documents reply to each, if anything.
            added: The values of the columns that the tap adds.

        Returns:
            None where there is none for it.
        """
        if not is_markable(message):
            return None
        layout = self._layout
        shape = shape_of(message, layout.separator, layout.opens)
        if shape is None or len(shape.leaves) > _MAX_LEAVES:
            return None
        try:
            return self._make(shape, replies, added)
        except (NoTemplateError, TapError, jsontext.InvalidJson):
            return None

    def _make(
        self,
        shape: Shape,
        replies: Sequence[ReplyTemplate | None],
        added: Record,
    ) -> Template:
        tokens = [shape.token(index) for index in range(len(shape.leaves))]
        whole = self._cut(shape.written(tokens))
        cut = self._cut(marked(shape), like=whole)
        records, samples = self._records(cut), self._records(whole)
        kinds = {part.is_whole for one in cut for part in one.parts}
        if len(records) != len(samples) or len(kinds) > 1:
            raise NoTemplateError
        draft = Draft(shape, self._columns)
        # An item of an array is a document of its own, with paths of its own.
        inside = (not all(kinds)) + (self._layout.separator is not None)
        draft.pin(self._compared, inside)
        draft.pin_beside(self._layout.stride)
        lines: list[Piece] = []
        keys: list[Piece] = []
        for number, record in enumerate(records):
            if number:
                lines.append(b"\n")
                keys.append(b"\n")
            lines += draft.line(record)
            if self._by:
                keys += draft.key(record, self._by)
        reply = self._reply(cut, replies)
        template = draft.template(
            lines,
            keys if self._by else None,
            None if reply is None else draft.reply(reply),
        )
        self._check(template, shape.text, samples, added)
        if template.replies is not None:
            found = template.find(b"\n" + shape.text)
            if template.replies.texts(found, b"") != [self._reply(whole, replies)]:
                raise NoTemplateError
        return template

    def _cut(self, text: bytes, like: Sequence[_Cut] = ()) -> list[_Cut]:
        """Cut a text up; each of its documents has a record.

        Args:
            text: What templates look at.
            like: It has the groups that these have, and the rules.

        Raises:
            NoTemplateError: When that is not so.
        """
        layout = self._layout
        separator, stride = layout.separator, layout.stride
        values = [text] if separator is None else text.split(separator)
        values = list(filter(None, values))
        found: list[_Cut] = []
        for number, at in enumerate(range(0, len(values), stride)):
            parts = self._slicer.slice(values[at], seen=False)
            if parts is None or not any(part.records for part in parts):
                raise NoTemplateError
            beside = values[at + 1 : at + stride]
            groups = dict(zip(layout.groups, beside, strict=False))
            if like:
                groups = {name: groups[name] for name in like[number].groups}
                rule = like[number].rule
            else:
                groups = {name: text for name, text in groups.items() if text != _NULL}
                rule = beside[-1] if layout.decides else _NULL
            found.append(_Cut(values[at], parts, groups, rule))
        return found

    def _records(self, cut: Sequence[_Cut]) -> list[bytes]:
        """Return the records of documents, with the columns that groups fill."""
        return [
            self._with_groups(record, one.groups)
            for one in cut
            for part in one.parts
            for record in part.records
        ]

    def _with_groups(self, record: bytes, groups: Mapping[str, bytes]) -> bytes:
        fields = {
            name: groups[group]
            for name, group in self._layout.fields
            if group in groups
        }
        if not fields:
            return record
        members = _members(record)
        if not fields.keys().isdisjoint(members):
            raise NoTemplateError
        return _encode(members | {name: msgspec.Raw(t) for name, t in fields.items()})

    def _reply(
        self, cut: Sequence[_Cut], replies: Sequence[ReplyTemplate | None]
    ) -> bytes | None:
        """Return the reply to documents; None where there is none.

        Raises:
            NoTemplateError: When there are several, or it has more in it than what is
                answered.
        """
        asked: list[tuple[ReplyTemplate, Document]] = []
        left = iter(replies)
        for one in cut:
            groups = one.answered
            rule = None if one.rule == _NULL else self._rules[int(one.rule)].reply
            if rule is not None:
                asked.append((rule, Document(jsontext.parse(one.document), groups)))
            for part in one.parts:
                reply = next(left, None)
                if reply is not None:
                    value = jsontext.parse(part.document)
                    asked.append((reply, Document(value, groups)))
        if not asked:
            return None
        reply, found = asked[0]
        if len(asked) > 1 or not reply.only_answers:
            raise NoTemplateError
        return reply.render({}, ConnectionBuiltins().moment(), found).encode()

    def _check(
        self,
        template: Template,
        message: bytes,
        samples: Sequence[bytes],
        added: Record,
    ) -> None:
        """Compare what a template makes with what the editor makes.

        Raises:
            NoTemplateError: When it is not the same.
        """
        found = template.find(b"\n" + message)
        (text,) = template.lines.texts(found, head_of(added))
        lines = text.split(b"\n")
        if found == [template.missed] or len(lines) != len(samples):
            raise NoTemplateError
        for line, sample in zip(lines, samples, strict=True):
            edited = self._columns.edit(sample, added)
            if edited is None or jsontext.parse(edited.line) != jsontext.parse(line):
                raise NoTemplateError
