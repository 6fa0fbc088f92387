"""What templates look at where `message_pattern` says what of a text is JSON.

That is the JSON, and behind it what the pattern's other groups have found, each of them
a JSON value. The pattern itself is searched in each text, since only it can tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_websocket.expressions.pattern import JSON_GROUP
from tap_websocket.records.templates.shape import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_websocket.expressions.matchers import Matcher
    from tap_websocket.expressions.pattern import MessagePattern
    from tap_websocket.expressions.rule import CompiledRule
    from tap_websocket.expressions.rules import RuleSet

__all__ = ["SEPARATOR", "PatternTexts"]

SEPARATOR = "\x1e"
"""Stands between the values: none of them has it inside, as it is written."""

_NULL = "null"
_MISSING = '"\0"'


class PatternTexts:
    """Finds in texts what templates look at.

    Args:
        pattern: The setting `message_pattern`.
        rules: Those for texts are asked here: they see more than templates do.
        replies: The texts that may be awaited. One may be as soon as what stands in
            front of it was taken, so all of them are no data here.

    Attributes:
        groups: The groups whose values stand behind a document's JSON.
        decides: Behind these stands which rule for texts replies, if any does.
    """

    def __init__(
        self,
        pattern: MessagePattern,
        rules: RuleSet,
        replies: Sequence[Matcher],
    ) -> None:
        self._rules = rules
        self._replies = replies
        # A longer text has no template, or is not to be searched here.
        self._most_bytes = min(
            MAX_BYTES,
            pattern.at_once,
            rules.at_once,
            *(reply.at_once for reply in replies),
        )
        self.decides = any(rule.only_replies for rule in rules.texts)
        self.groups = [name for name in pattern.names if name != JSON_GROUP]
        # Two at least, so that it is a tuple.
        self._find = pattern.finder((JSON_GROUP, *self.groups, JSON_GROUP))
        self._form = "%s" + f'{SEPARATOR}"%s"' * len(self.groups) + "%.0s"

    def of(self, documents: Sequence[bytes]) -> list[bytes]:
        """Return what templates look at of each document.

        It is empty where they could not take it: the pattern does not match, a rule or
        reply does more than to answer it, or a group has a separator in it. A text that
        is too long counts as an empty one.
        """
        most = self._most_bytes
        if max(map(len, documents), default=0) > most:
            documents = [one if len(one) <= most else b"" for one in documents]
        try:
            texts = [document.decode() for document in documents]
        except UnicodeDecodeError:
            return [b""] * len(documents)
        return [text.encode() for text in self._seen(documents, texts)]

    def _seen(self, documents: Sequence[bytes], texts: Sequence[str]) -> list[str]:
        """Return what templates look at of each document; nothing where they cannot."""
        form, separators = self._form, len(self.groups)
        seen = ["" if found is None else form % found for found in self._find(texts)]
        whole = "".join(seen)
        if whole.count(SEPARATOR) != separators * (len(seen) - seen.count("")):
            seen = [one if one.count(SEPARATOR) == separators else "" for one in seen]
        if "\0" in whole:
            # A group that is not in the match; NUL itself is nowhere in JSON.
            if any(b"\0" in document for document in documents):
                return [""] * len(seen)
            seen = [one.replace(_MISSING, _NULL) for one in seen]
        return self._with_decisions(documents, texts, seen)

    def _with_decisions(
        self,
        documents: Sequence[bytes],
        texts: Sequence[str],
        seen: list[str],
    ) -> list[str]:
        """Return what is seen with which rule replies to each text."""
        whole = b"\n" + b"\n".join(documents)
        # None stands for what templates do not take. The first one that matches counts.
        tests: list[tuple[str | None, Matcher | None]] = [
            (None, reply) for reply in self._replies
        ]
        tests += [
            (f"{SEPARATOR}{number}" if self._may_reply(rule) else None, rule.matcher)
            for number, rule in enumerate(self._rules.texts)
        ]
        none: str | None = SEPARATOR + _NULL if self.decides else ""
        decided = [none] * len(texts)
        for behind, matcher in reversed(tests):
            if matcher is not None and _may_match(matcher, whole):
                test = matcher.test
                decided = [
                    behind if test(text) else other
                    for text, other in zip(texts, decided, strict=True)
                ]
        return [
            "" if behind is None or not one else one + behind
            for one, behind in zip(seen, decided, strict=True)
        ]

    def _may_reply(self, rule: CompiledRule) -> bool:
        """Return whether a template may reply as a rule for texts says.

        It does not ask rules for documents, which a rule for texts would precede.
        """
        return rule.only_replies and not self._rules.asks_documents


def _may_match(matcher: Matcher, documents: bytes) -> bool:
    """Return whether a matcher of texts may match any of some documents.

    Args:
        matcher: Of texts.
        documents: Each of them stands behind a line break.
    """
    return b"\n" + matcher.begins in documents and all(
        needle in documents for needle in matcher.needles or ()
    )
