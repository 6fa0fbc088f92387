"""Documents that matchers and placeholders of replies look into."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from tap_websocket.expressions.path import MISSING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_websocket.jsontext import JsonValue


__all__ = ["Answered", "Document"]


class Answered(Protocol):
    """What a reply answers: the source of `{$.path}` and `{$group}`."""

    @property
    def document(self) -> JsonValue:
        """The parsed document, or `MISSING` where the text is not JSON."""

    @property
    def groups(self) -> Mapping[str, str | None]:
        """The named groups of `message_pattern`; empty without a match."""


class Document(msgspec.Struct, frozen=True):
    """A document, parsed and searched."""

    document: Any = MISSING
    groups: Mapping[str, str | None] = {}
