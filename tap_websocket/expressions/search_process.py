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

__all__ = ["ANSWER", "FOUND", "GIVEN_UP", "NOTHING", "QUESTION", "SPAN"]

QUESTION = struct.Struct("<IQd")
"""Bytes of the expression and of the text, and seconds of CPU."""

ANSWER = struct.Struct("<BI")
"""What came of it, and how many groups follow."""

SPAN = struct.Struct("<qq")
"""Begin and end of a group in the text, in characters; -1 where it is not in it."""

NOTHING, FOUND, GIVEN_UP = range(3)

_OWN_BYTES = 64 * 1024 * 1024
"""Memory of the interpreter, and of a search in a small text."""

_PER_BYTE = 11
"""Memory for each byte of a text: it, its characters, and what the search keeps."""


def _limit(size: int) -> None:
    """Limit the memory to what a search in so many bytes may take."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = _OWN_BYTES + _PER_BYTE * size
    # Someone else has set a lower one, which is as good.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))


def _answer(pattern: str, text: str) -> bytes:
    """Return the answer to a question."""
    try:
        found = re.compile(pattern).search(text)
    except MemoryError:
        return ANSWER.pack(GIVEN_UP, 0)
    if found is None:
        return ANSWER.pack(NOTHING, 0)
    spans = [SPAN.pack(*found.span(name)) for name in found.re.groupindex]
    return ANSWER.pack(FOUND, len(spans)) + b"".join(spans)


def main() -> None:
    """Answer the questions on stdin until it ends, with the process that asks."""
    # A terminal sends them to both; the one that asks decides when to end.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    questions, answers = sys.stdin.buffer, sys.stdout.buffer
    while head := questions.read(QUESTION.size):
        pattern_size, size, seconds = QUESTION.unpack(head)
        _limit(size)
        pattern = questions.read(pattern_size).decode()
        text = questions.read(size).decode("utf-8", "surrogatepass")
        # The signal ends the process: a handler waits until `re` looks for one, which
        # takes seconds where each step goes through a large text.
        signal.setitimer(signal.ITIMER_PROF, seconds)
        answer = _answer(pattern, text)
        signal.setitimer(signal.ITIMER_PROF, 0)
        answers.write(answer)
        answers.flush()
        # The next one may be as large; it is not to be there beside this one.
        del text


if __name__ == "__main__":
    main()
