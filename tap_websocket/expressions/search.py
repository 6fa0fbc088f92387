"""Searches of users' regular expressions in servers' texts, which all come to an end.

What takes long for its length is searched for in a process of its own
(`search_process.py`).
"""

from __future__ import annotations

import atexit
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING

from tap_websocket.errors import ParseError
from tap_websocket.expressions import search_process
from tap_websocket.expressions.search_cost import degree

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ANY_LENGTH", "PROCESS", "Budget", "Search", "SearchProcess"]

ANY_LENGTH = 64 * 1024
"""Characters that each expression whose steps grow with the length may search at once:
a few milliseconds. Larger messages are taken beside the loop anyway."""

_LENGTHS = {1: ANY_LENGTH, 2: 2048, 3: 128}
"""The same by the power of the length that the steps grow with: up to 4 million steps,
some 30 ms, for a text that is made for it; common ones take next to none."""

_SECONDS = 0.25
_SECONDS_EACH = 1e-6
"""CPU time that a search may take, and in addition for each character: ten times what
expressions take whose steps grow with the length."""


_SECONDS_IN_ALL = 2.0
"""CPU time that searches with a `Budget` may take until it is renewed."""


class Budget(threading.local):
    """CPU time of searches for which one message is to blame; for any thread.

    Attributes:
        seconds: What they took; 0 renews it.
    """

    seconds = 0.0


class Search:
    """A regular expression of a setting.

    Args:
        pattern: A regular expression of Python's `re`.
        name: Of the setting, for errors.
        budget: Bounds the time of several searches.

    Attributes:
        numbers: Its named groups, and their numbers.
        direct: Searches a text of up to `at_once` characters.
        at_once: Texts of this many characters are searched within milliseconds; longer
            ones are to be searched beside the loop.

    Raises:
        ValueError: When it is none; the message says where.
    """

    def __init__(self, pattern: str, name: str, budget: Budget | None = None) -> None:
        try:
            compiled = re.compile(pattern)
        except (re.error, OverflowError, RecursionError) as error:
            msg = f"{pattern!r} is not a regular expression: {error}"
            raise ValueError(msg) from error
        self._pattern = pattern
        self._name = name
        self._budget = budget
        self._compiled = compiled
        self.direct = compiled.search
        self.numbers = compiled.groupindex
        self.at_once = _LENGTHS.get(degree(pattern) or 0, 0)

    def groups(self, text: str) -> Mapping[str, str | None] | None:
        """Return the named groups of the first match in a text, or None without one.

        Raises:
            ParseError: When the search takes too long.
        """
        if len(text) > self.at_once:
            return self._beside(text)
        found = self.direct(text)
        return None if found is None else found.groupdict()

    def finds(self, text: str) -> bool:
        """Return whether there is a match in a text.

        Raises:
            ParseError: When the search takes too long.
        """
        if len(text) > self.at_once:
            return self._beside(text) is not None
        return self.direct(text) is not None

    def check_replacement(self, replacement: str) -> None:
        """Check what is to stand in place of matches.

        Raises:
            ValueError: When it has a group that the expression has not, or an escape
                that there is not; the message says where.
        """
        try:
            self._compiled.sub(replacement, "")
        except (re.error, LookupError) as error:
            msg = f"{replacement!r} cannot replace matches: {error}"
            raise ValueError(msg) from error

    def sub(self, replacement: str, text: str) -> str:
        """Return a text with a replacement in place of each match.

        Args:
            replacement: It may have groups, as in `re.sub`.
            text: The text.

        Raises:
            ParseError: When the search takes too long.
        """
        if len(text) > self.at_once:
            found = self._ask(text, replacement)
            return text if found is None else found.decode("utf-8", "surrogatepass")
        return self._compiled.sub(replacement, text)

    def _beside(self, text: str) -> Mapping[str, str | None] | None:
        found = self._ask(text)
        if found is None:
            return None
        spans = search_process.SPAN.iter_unpack(found)
        return {
            name: None if begin < 0 else text[begin:end]
            for name, (begin, end) in zip(self.numbers, spans, strict=True)
        }

    def _ask(self, text: str, replacement: str | None = None) -> bytes | None:
        """Return what the process answers; None without a match.

        Raises:
            ParseError: When the search takes too long.
        """
        seconds = _SECONDS + _SECONDS_EACH * len(text)
        sent = text.encode("utf-8", "surrogatepass")
        given = None if replacement is None else replacement.encode()
        answer, found, used = PROCESS.ask(self._pattern.encode(), given, sent, seconds)
        is_over = answer == search_process.GIVEN_UP
        if self._budget is not None:
            self._budget.seconds += used
            is_over |= self._budget.seconds > _SECONDS_IN_ALL
        if is_over:
            msg = f"takes too long to be searched ({self._name})"
            raise ParseError(
                msg,
                size=len(sent),
                advice="let each repetition in the expression end at a character that "
                "it does not take, or set on_parse_error: skip",
            )
        return None if answer == search_process.NOTHING else found


class SearchProcess:
    """The process that searches, started when it is needed; for any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The number of the process, while there is one."""
        return None if self._process is None else self._process.pid

    def ask(
        self, pattern: bytes, replacement: bytes | None, text: bytes, seconds: float
    ) -> tuple[int, bytes, float]:
        """Search a text, within this many seconds of CPU.

        Returns:
            What came of it; the spans of the groups, or with a replacement the text
            that has it; and the seconds of CPU that it took.
        """
        with self._lock:
            try:
                return self._answer(pattern, replacement, text, seconds)
            except (OSError, EOFError):
                # Its time was over, or it was ended from outside; the next search gets
                # another one.
                self.end()
                return search_process.GIVEN_UP, b"", seconds

    def _answer(
        self, pattern: bytes, replacement: bytes | None, text: bytes, seconds: float
    ) -> tuple[int, bytes, float]:
        process = self._process or self._start()
        questions, answers = process.stdin, process.stdout
        assert questions is not None  # noqa: S101 - a pipe
        assert answers is not None  # noqa: S101 - another one
        size = -1 if replacement is None else len(replacement)
        head = search_process.QUESTION.pack(len(pattern), size, len(text), seconds)
        questions.write(head + pattern + (replacement or b""))
        questions.write(text)
        questions.flush()
        answer, size, used = search_process.ANSWER.unpack(
            _read(answers, search_process.ANSWER.size)
        )
        return answer, _read(answers, size), used

    def _start(self) -> subprocess.Popen[bytes]:
        # Isolated (`-I`) and without packages (`-S`), it is there in 20 ms.
        self._process = subprocess.Popen(  # noqa: S603 - nothing of it is a server's
            [sys.executable, "-I", "-S", str(Path(search_process.__file__))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # Signals that a terminal sends to a group come before it ignores them.
            start_new_session=True,
        )
        return self._process

    def end(self) -> None:
        """End the process, if there is one."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()


def _read(answers: IO[bytes], size: int) -> bytes:
    """Read this many bytes.

    Raises:
        EOFError: When the process has ended before it wrote them.
    """
    found = answers.read(size)
    if len(found) < size:
        raise EOFError
    return found


PROCESS = SearchProcess()
"""The one of this run."""

atexit.register(PROCESS.end)
