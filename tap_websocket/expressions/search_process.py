"""A process that searches texts for regular expressions, within limits.

Python's `re` cannot be stopped, and holds the interpreter's lock for as long as it
searches. Here it has an interpreter of its own, a limit of CPU time and one of memory.
This file is run as a script, and imports nothing but the standard library.
"""

from __future__ import annotations

import contextlib
import re
import resource
import signal
import struct
import sys
import time

__all__ = ["ANSWER", "FOUND", "GIVEN_UP", "NOTHING", "QUESTION", "SPAN"]

QUESTION = struct.Struct("<IiQd")
"""Bytes of the expression, of what replaces matches (-1 where nothing does) and of the
text, and seconds of CPU."""

ANSWER = struct.Struct("<BQd")
"""What came of it, how many bytes follow (spans, or the text with replacements), and
seconds of CPU that it took."""

SPAN = struct.Struct("<qq")
"""Begin and end of a group in the text, in characters; -1 where it is not in it."""

NOTHING, FOUND, GIVEN_UP = range(3)

_OWN_BYTES = 64 * 1024 * 1024
"""Memory of the interpreter, and of a search in a small text."""

_PER_BYTE = 11
"""Memory for each byte of a text: it, its characters, and what the search keeps."""

_PER_REPLACED = 160
"""The same where matches are replaced, of which each makes two texts."""


def _limit(size: int, per_byte: int) -> None:
    """Limit the memory to what a search in this many bytes may take."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = _OWN_BYTES + per_byte * size
    # Someone else has set a lower one, which is as good.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))


def _answer(pattern: str, replacement: str | None, text: str) -> tuple[int, bytes]:
    """Return what came of a question, and what follows it in the answer."""
    try:
        found = _found(re.compile(pattern), replacement, text)
    except MemoryError:
        return GIVEN_UP, b""
    return (NOTHING, b"") if found is None else (FOUND, found)


def _found(
    pattern: re.Pattern[str], replacement: str | None, text: str
) -> bytes | None:
    """Return the spans of the groups, or the text with replacements."""
    if replacement is not None:
        replaced, count = pattern.subn(replacement, text)
        return replaced.encode("utf-8", "surrogatepass") if count else None
    found = pattern.search(text)
    if found is None:
        return None
    return b"".join(SPAN.pack(*found.span(name)) for name in pattern.groupindex)


def main() -> None:
    """Answer the questions on stdin until it ends, with the process that asks."""
    # A terminal sends them to both; the one that asks decides when to end.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    questions, answers = sys.stdin.buffer, sys.stdout.buffer
    while head := questions.read(QUESTION.size):
        pattern_size, replacement_size, size, seconds = QUESTION.unpack(head)
        replaces = replacement_size >= 0
        _limit(size, _PER_REPLACED if replaces else _PER_BYTE)
        pattern = questions.read(pattern_size).decode()
        replacement = questions.read(replacement_size).decode() if replaces else None
        text = questions.read(size).decode("utf-8", "surrogatepass")
        # The signal ends the process: a handler waits until `re` looks for one, which
        # takes seconds where each step goes through a large text.
        signal.setitimer(signal.ITIMER_PROF, seconds)
        began = time.process_time()
        answer, found = _answer(pattern, replacement, text)
        signal.setitimer(signal.ITIMER_PROF, 0)
        used = time.process_time() - began
        answers.write(ANSWER.pack(answer, len(found), used) + found)
        answers.flush()
        # The next one may be as large; it is not to be there beside this one.
        del text


if __name__ == "__main__":
    main()
