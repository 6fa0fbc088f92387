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
from typing import TYPE_CHECKING, Any

from tap_websocket.errors import ParseError
from tap_websocket.expressions import search_process
from tap_websocket.expressions.search_cost import degree

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ANY_LENGTH", "PROCESS", "Search", "SearchProcess"]

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


class Search:
    """A regular expression of a setting.

    Args:
        pattern: A regular expression of Python's `re`.
        name: Of the setting, for errors.

    Attributes:
        numbers: Its named groups, and their numbers.
        direct: Searches a text of up to `at_once` characters.
        at_once: Texts of so many characters are searched within milliseconds; longer
            ones are to be searched beside the loop.

    Raises:
        ValueError: When it is none; the message says where.
    """

    def __init__(self, pattern: str, name: str) -> None:
        try:
            compiled = re.compile(pattern)
        except (re.error, OverflowError, RecursionError) as error:
            msg = f"{pattern!r} is not a regular expression: {error}"
            raise ValueError(msg) from error
        self._pattern = pattern
        self._name = name
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

    def _beside(self, text: str) -> Mapping[str, str | None] | None:
        seconds = _SECONDS + _SECONDS_EACH * len(text)
        sent = text.encode("utf-8", "surrogatepass")
        answer, spans = PROCESS.ask(self._pattern.encode(), sent, seconds)
        if answer == search_process.GIVEN_UP:
            msg = f"takes too long to be searched ({self._name})"
            raise ParseError(
                msg,
                size=len(sent),
                advice="let each repetition in the expression end at a character that "
                "it does not take, or set on_parse_error: skip",
            )
        if answer == search_process.NOTHING:
            return None
        return {
            name: None if begin < 0 else text[begin:end]
            for name, (begin, end) in zip(self.numbers, spans, strict=True)
        }


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
        self, pattern: bytes, text: bytes, seconds: float
    ) -> tuple[int, list[tuple[int, int]]]:
        """Search a text, within so many seconds of CPU.

        Returns:
            What came of it, and the spans of the groups.
        """
        with self._lock:
            try:
                return self._answer(pattern, text, seconds)
            except (OSError, EOFError):
                # Its time was over, or it was ended from outside; the next search gets
                # another one.
                self.end()
                return search_process.GIVEN_UP, []

    def _answer(
        self, pattern: bytes, text: bytes, seconds: float
    ) -> tuple[int, list[tuple[int, int]]]:
        process = self._process or self._start()
        assert process.stdin is not None  # noqa: S101 - a pipe
        head = search_process.QUESTION.pack(len(pattern), len(text), seconds)
        process.stdin.write(head + pattern)
        process.stdin.write(text)
        process.stdin.flush()
        (answer, count) = search_process.ANSWER.unpack(
            self._read(search_process.ANSWER.size)
        )
        spans = self._read(count * search_process.SPAN.size)
        return answer, list(search_process.SPAN.iter_unpack(spans))

    def _read(self, size: int) -> bytes:
        process: Any = self._process
        found: bytes = process.stdout.read(size)
        if len(found) < size:
            raise EOFError
        return found

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


PROCESS = SearchProcess()
"""The one of this run."""

atexit.register(PROCESS.end)
