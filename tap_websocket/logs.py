"""Secrets never show: what a log line holds of them is blotted out."""

from __future__ import annotations

import collections
import itertools
import logging
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from tap_websocket.jsontext import text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

__all__ = ["LogThrottle", "Redacted", "SecretFilter"]

_BLOT = "****"
_SHORTEST = 3
_SHORTEST_NUMBER = 8
_MOST_LEARNED = 1000
"""So many values that a run fetched are remembered, for it may last long, and so many
of each name that it captured: a cursor in every message does not push out a token."""


class SecretFilter(logging.Filter):
    """A filter for log handlers that masks secrets, in tracebacks too.

    Texts of one or two characters are left alone, and so are captured numbers of less
    than eight digits: they would blot out the counts and times of every line.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Make a mask; it may be given more secrets later."""
        super().__init__()
        self._lock = threading.Lock()
        self._given: set[str] = set()
        self._fetched: collections.deque[str] = collections.deque(maxlen=_MOST_LEARNED)
        self._captured: dict[str, collections.deque[Any]] = {}
        self._secrets: list[str] | None = None
        self._formatter = logging.Formatter()
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Take secrets of the config, which are masked for good."""
        with self._lock:
            self._given.update(secrets)
            self._secrets = None

    def learn(self, secrets: Iterable[str]) -> None:
        """Take secrets that were fetched; the last thousand are masked."""
        with self._lock:
            self._fetched.extend(secrets)
            self._secrets = None

    def capture(self, values: Mapping[str, Any]) -> None:
        """Take captured values; the last thousand of each name are masked."""
        with self._lock:
            for name, value in values.items():
                if name not in self._captured:
                    self._captured[name] = collections.deque(maxlen=_MOST_LEARNED)
                self._captured[name].append(value)
            self._secrets = None

    def text(self, text: str) -> str:
        """Return a text with every secret in it blotted out, in each of its forms."""
        with self._lock:
            if self._secrets is None:
                captured = map(text_of, itertools.chain(*self._captured.values()))
                learned = filter(_is_telling, {*self._fetched, *captured})
                forms = set(_forms({*self._given, *learned}))
                self._secrets = sorted(forms, key=len, reverse=True)
            secrets = self._secrets
        for secret in secrets:
            text = text.replace(secret, _BLOT)
        return text

    def filter(self, record: logging.LogRecord) -> bool:
        """SecretFilter a record; it is never dropped."""
        message = record.getMessage()
        masked = self.text(message)
        if masked != message:
            record.msg, record.args = masked, None
        if record.exc_info:
            trace = record.exc_text or self._formatter.formatException(record.exc_info)
            record.exc_text = self.text(trace)
        return True


def _is_telling(secret: str) -> bool:
    return not secret.isdecimal() or len(secret) >= _SHORTEST_NUMBER


def _forms(secrets: Iterable[str]) -> Iterator[str]:
    """Yield the forms in which secrets may show, percent-encoded ones included."""
    for secret in secrets:
        if len(secret) >= _SHORTEST:
            yield secret
            yield quote(secret, safe="", errors="replace")
            yield quote(secret, errors="replace")


class Redacted(msgspec.Struct, frozen=True):
    """A value whose fields do not show where it is printed."""

    def __repr__(self) -> str:
        """Return the name of the class alone."""
        return f"{type(self).__name__}(…)"


class LogThrottle:
    """Lets one line through in each interval, and says how many it held back."""

    def __init__(
        self,
        interval: float,
        *,
        level: int = logging.WARNING,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make a limit.

        Args:
            interval: Seconds between two lines.
            level: The level of the lines.
            clock: Seconds, from any start.
        """
        self._interval = interval
        self._level = level
        self._clock = clock
        self._next = float("-inf")
        self._held = 0

    def __call__(self, logger: logging.Logger, message: str, *args: object) -> None:
        """Log the line, unless one was logged within the interval."""
        now = self._clock()
        if now < self._next:
            self._held += 1
            return
        more = f" ({self._held} more such lines were held back)" if self._held else ""
        self._held = 0
        self._next = now + self._interval
        logger.log(self._level, "%s%s", message % args, more)
