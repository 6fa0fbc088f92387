"""What templates look at where `message_pattern` says what of a text is JSON.

That is the JSON, and behind it what the pattern's other groups have found, each of them
a JSON value. The pattern itself is searched in each text, since only it can tell.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from tap_websocket.expressions.pattern import JSON_GROUP
from tap_websocket.records.payloads import split

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_websocket.expressions.matchers import Matcher
    from tap_websocket.expressions.pattern import MessagePattern
    from tap_websocket.expressions.rules import RuleSet
    from tap_websocket.feed.inbound import Origin
    from tap_websocket.settings import DecodingSettings

__all__ = ["SEPARATOR", "PatternTexts"]

SEPARATOR = "\x1e"
"""Stands between the values: none of them has it inside, as it is written."""

_NULL = "null"
_MISSING = '"\0"'


class PatternTexts:
    """Finds in messages what templates look at.

    Args:
        pattern: The setting `message_pattern`.
        settings: What a message looks like.
        rules: Those for texts are asked here: they see more than templates do.

    Attributes:
        groups: The groups whose values stand behind each document's JSON.
        decides: Behind these stands which rule for texts replies, if any does.
    """

    def __init__(
        self, pattern: MessagePattern, settings: DecodingSettings, rules: RuleSet
    ) -> None:
        self._separator = settings.record_separator
        self._rules = rules
        self.decides = any(rule.only_replies for rule in rules.texts)
        self.groups = [name for name in pattern.names if name != JSON_GROUP]
        # Two at least, so that it is a tuple.
        self._find = pattern.finder((JSON_GROUP, *self.groups, JSON_GROUP))
        self._form = "%s" + f'{SEPARATOR}"%s"' * len(self.groups) + "%.0s"

    def of(self, origin: Origin, messages: Sequence[bytes]) -> list[bytes]:
        """Return what templates look at of each message.

        It is empty where a document of it is none that they could take: the pattern
        does not match, a rule or reply does more than to answer it, or a group has a
        separator in it.
        """
        separator = self._separator
        if separator is None:
            documents = list(messages)
        else:
            parts = [split(message, separator) for message in messages]
            documents = list(itertools.chain.from_iterable(parts))
        try:
            texts = [document.decode() for document in documents]
        except UnicodeDecodeError:
            return [b""] * len(messages)
        seen = [text.encode() for text in self._seen(origin, documents, texts)]
        if separator is None or (len(documents) == len(messages) and all(parts)):
            return seen
        rest = iter(seen)
        return [_joined(list(itertools.islice(rest, len(part)))) for part in parts]

    def _seen(
        self, origin: Origin, documents: Sequence[bytes], texts: Sequence[str]
    ) -> list[str]:
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
        return self._with_decisions(origin, documents, texts, seen)

    def _with_decisions(
        self,
        origin: Origin,
        documents: Sequence[bytes],
        texts: Sequence[str],
        seen: list[str],
    ) -> list[str]:
        """Return what is seen with which rule replies to each text."""
        whole = b"\n" + b"\n".join(documents)
        subscription = origin.subscription
        awaited = [] if subscription is None else subscription.texts
        replies = [one.test for one in awaited if _may_match(one, whole)]
        rules = [
            (str(number) if rule.only_replies else "", rule.matcher.test)
            for number, rule in enumerate(self._rules.texts)
            if rule.matcher is not None and _may_match(rule.matcher, whole)
        ]
        if self._rules.asks_documents:
            # They are not asked where one for texts has acted.
            rules = [("", test) for _, test in rules]
        others = SEPARATOR + _NULL if self.decides else ""
        if not replies and not rules:
            return [one and one + others for one in seen]
        for at, text in enumerate(texts):
            if seen[at]:
                matching = (number for number, test in rules if test(text))
                number = next(matching, None)
                if number is None:
                    seen[at] += others
                else:
                    seen[at] = number and f"{seen[at]}{SEPARATOR}{number}"
                if any(test(text) for test in replies):
                    seen[at] = ""
        return seen


def _may_match(matcher: Matcher, documents: bytes) -> bool:
    """Return whether a matcher of texts may match any of some documents.

    Args:
        matcher: Of texts.
        documents: Each of them stands behind a line break.
    """
    return b"\n" + matcher.begins in documents and all(
        needle in documents for needle in matcher.needles or ()
    )


def _joined(documents: Sequence[bytes]) -> bytes:
    """Return what is seen of a message; nothing where one of its documents is none."""
    return SEPARATOR.encode().join(documents) if all(documents) else b""
