"""Tests of payloads that tell plain data before it is parsed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Prefilter", "prefilter"]

Prefilter = Callable[[bytes], bool]
"""Returns whether anything may match a payload; False is certain."""


def prefilter(alternatives: Iterable[tuple[bytes, ...] | None]) -> Prefilter | None:
    """Return a test that recognises plain data, which nothing can match.

    Args:
        alternatives: The needles of each matcher.

    Returns:
        The test of a payload; None where each may match.
    """
    # A payload with a backslash may hold any string in an escaped form.
    needed: list[tuple[str, ...]] = [("\\",)]
    for needles in alternatives:
        if not needles:
            return None
        needed.append(tuple(needle.decode("latin-1") for needle in needles))

    if len(needed) == 1:
        return lambda _: False

    def confirmed(text: str) -> bool:
        return any(all(needle in text for needle in needles) for needles in needed)

    return _quick([needles[0] for needles in needed], confirmed)


def _quick(needles: list[str], confirmed: Callable[[str], bool]) -> Prefilter:
    """Return the test for needles: each payload of a feed goes through it.

    Searching a `str` is several times faster than searching `bytes` in CPython, and
    Latin-1 makes one of any bytes; the loop is written out for one and two matchers.
    """
    if len(needles) == 2:  # noqa: PLR2004
        one, two = needles

        def has_either(payload: bytes) -> bool:
            text = payload.decode("latin-1")
            return (one in text or two in text) and confirmed(text)

        return has_either
    if len(needles) == 3:  # noqa: PLR2004
        one, two, three = needles

        def has_one(payload: bytes) -> bool:
            text = payload.decode("latin-1")
            return (one in text or two in text or three in text) and confirmed(text)

        return has_one

    def has_any(payload: bytes) -> bool:
        text = payload.decode("latin-1")
        for needle in needles:
            if needle in text:
                return confirmed(text)
        return False

    return has_any
