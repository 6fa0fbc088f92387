"""Templates: what the records of messages of one shape look like.

A template is derived from a message that was sliced. Its values are replaced by marks,
which shows where the slicer puts each of them; what becomes of a record's fields is
asked of the columns. The result has to be what the other ways make of that message,
else there is no template.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import msgspec

from tap_websocket import jsontext
from tap_websocket.errors import TapError
from tap_websocket.expressions.documents import Document
from tap_websocket.expressions.placeholders import ConnectionBuiltins
from tap_websocket.records.added_values import head_of
from tap_websocket.records.templates.assembly import NoTemplateError, Repeat
from tap_websocket.records.templates.draft import Draft, is_markable, marked
from tap_websocket.records.templates.shape import Shape, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

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

_MANY = 5
"""Records of a document from which on their number is no part of its shape: that takes
half as long again as a shape of few records."""


class _Cut(msgspec.Struct, frozen=True, gc=False):
    """A text that templates look at, cut up.

    Attributes:
        document: The document in it, a JSON value.
        parts: The documents of that, if it is an array of such; else itself.
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
        text: bytes,
        replies: Sequence[ReplyTemplate | None],
        added: Record,
    ) -> Template | None:
        """Derive the template of a document.

        Args:
            text: What templates look at of one that was taken another way. It is data,
                and each item is where it is an array of documents.
            replies: What rules for parsed documents reply to each, if anything.
            added: The values of the columns that the tap adds.

        Returns:
            None where there is none for it.
        """
        if not is_markable(text):
            return None
        layout = self._layout
        shape = shape_of(text, layout.separator, layout.opens)
        if shape is None:
            return None
        for tried, repeat in (*self._repeated(shape), (shape, None)):
            if len(tried.leaves) <= _MAX_LEAVES:
                with contextlib.suppress(
                    NoTemplateError, TapError, jsontext.InvalidJson
                ):
                    return self._make(shape, tried, repeat, replies, added)
        return None

    def _repeated(self, shape: Shape) -> Iterator[tuple[Shape, Repeat]]:
        """Yield the shape with one record of many, if it has that many."""
        layout, text = self._layout, shape.text
        if layout.items is None:
            return
        around = () if layout.separator is None else (0,)
        path = (*around, *layout.items)
        items = shape.items(path)
        if len(items) < _MANY or items[0].is_inside:
            return
        first, second, *_ = items
        between = text[first.end : second.start]
        one = text[: first.end] + text[items[-1].end :]
        tried = shape_of(one, layout.separator, layout.opens)
        if tried is not None:
            (item,) = tried.items(path)
            yield tried, Repeat(item, between)

    def _make(
        self,
        whole: Shape,
        shape: Shape,
        repeat: Repeat | None,
        replies: Sequence[ReplyTemplate | None],
        added: Record,
    ) -> Template:
        """Derive the template of a shape, in which an item may be repeated.

        Args:
            whole: The shape of the document that it has to take.
            shape: The same, or with one of its items alone.
            repeat: That item, if it is one.
            replies: As for `make`.
            added: As for `make`.

        Raises:
            NoTemplateError: When there is none.
        """
        sample = self._cut(_written(whole))
        cut = self._cut(marked(shape), like=sample)
        records, samples = self._records(cut), self._records(sample)
        if len(records) != (len(samples) if repeat is None else 1):
            raise NoTemplateError
        draft = Draft(shape, self._columns, repeat)
        is_first = self._layout.separator is not None
        # An item of an array is a document of its own, with paths of its own.
        draft.pin(self._compared, is_first + (not cut.parts[0].is_whole))
        if is_first:
            draft.pin_beside()
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
        if reply is not None and repeat is not None:
            # It may be made of an item that is not in each document.
            raise NoTemplateError
        template = draft.template(
            lines,
            keys if self._by else None,
            None if reply is None else draft.reply(reply),
        )
        self._check(template, whole.text, samples, added)
        if template.replies is not None:
            found = template.find(b"\n" + whole.text)
            if template.replies.texts(found, b"") != [self._reply(sample, replies)]:
                raise NoTemplateError
        return template

    def _cut(self, text: bytes, like: _Cut | None = None) -> _Cut:
        """Cut a text up that has records.

        Args:
            text: What templates look at.
            like: It has the groups that this has, and the rule.

        Raises:
            NoTemplateError: When it has none.
        """
        layout = self._layout
        separator = layout.separator
        document, *beside = [text] if separator is None else text.split(separator)
        parts = self._slicer.slice(document, seen=False)
        if parts is None or not any(part.records for part in parts):
            raise NoTemplateError
        groups = dict(zip(layout.groups, beside, strict=False))
        if like is not None:
            groups = {name: groups[name] for name in like.groups}
            return _Cut(document, parts, groups, like.rule)
        groups = {name: text for name, text in groups.items() if text != _NULL}
        return _Cut(document, parts, groups, beside[-1] if layout.decides else _NULL)

    def _records(self, cut: _Cut) -> list[bytes]:
        """Return the records of a text, with the columns that groups fill."""
        return [
            self._with_groups(record, cut.groups)
            for part in cut.parts
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
        self, cut: _Cut, replies: Sequence[ReplyTemplate | None]
    ) -> bytes | None:
        """Return the reply to a text; None where there is none.

        Raises:
            NoTemplateError: When there are several, or it has more in it than what is
                answered.
        """
        rule = None if cut.rule == _NULL else self._rules[int(cut.rule)].reply
        answered = [part.document for part in cut.parts]
        asked = [
            (reply, Document(jsontext.parse(document), cut.answered))
            for reply, document in zip(
                (rule, *replies), (cut.document, *answered), strict=False
            )
            if reply is not None
        ]
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
        (text,), _ = template.write(found, head_of(added))
        lines = text.split(b"\n")
        if found == [template.missed] or len(lines) != len(samples):
            raise NoTemplateError
        for line, sample in zip(lines, samples, strict=True):
            edited = self._columns.edit(sample, added)
            if edited is None or jsontext.parse(edited.line) != jsontext.parse(line):
                raise NoTemplateError


def _written(shape: Shape) -> bytes:
    """Return the text of a shape, with what is parsed in place."""
    return shape.written([shape.token(index) for index in range(len(shape.leaves))])
