"""What may be logged, and how often.

Secrets are masked in every log record of the process, whichever handler it goes to;
what a server said cannot break out of its line; and no line is longer than it is read.
"""

from __future__ import annotations

import base64
import html
import itertools
import json
import logging
import re
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

import msgspec

from tap_websocket.jsontext import text_of
from tap_websocket.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

__all__ = [
    "LogThrottle",
    "Redacted",
    "SecretFilter",
    "escape",
    "shorten",
]

_MASK = "****"
_MIN_LENGTH = 3
_MIN_DIGITS = 8
"""Shorter texts are not masked, nor shorter numbers: they stand in any line."""

_MIN_ENCODED = 6
"""Shorter secrets are masked as they are alone: three characters of base64 or
hexadecimal stand in any identifier."""

_MAX_REMEMBERED = 1000
"""Fetched values that are remembered, for a run may last for months; and captured ones
of each name, so that a cursor in every message does not push out a token."""

_MAX_KNOWN_WHOLE = 4096
_MAX_CAPTURED_WHOLE = 256
_KNOWN_PREFIX = 64
"""A longer secret is known by its first characters: masking costs memory and time for
each character that a server chose to send."""

_MAX_LINE = 4096
_MAX_NAME = 100
"""Characters of a line, and of a quoted name in it, that a server has a part in."""

_HEX = re.compile(r"[0-9A-Fa-f]{8,}")
_ORIGIN = re.compile(r"(?:ws|http)s?://[^/?#@\s]+/?", re.IGNORECASE)
"""Scheme, host and port alone, which logs show of every address."""

_PERCENT = re.compile(r"%[0-9A-F]{2}")


class _Forms:
    """The forms in which secrets may show, worked out when a line is first looked at.

    Not safe for threads: the filter's lock guards it.

    Args:
        max_count: Secrets that are remembered, the oldest going first; None for all.
        max_whole: Characters of a secret that is remembered as a whole.
    """

    def __init__(self, max_count: int | None, max_whole: int) -> None:
        # Each secret, or its beginning (True), oldest first; and its forms from the
        # first line on that was looked at since.
        self._forms: dict[tuple[str, bool], tuple[str, ...] | None] = {}
        self._max_count = max_count
        self._max_whole = max_whole

    def add(self, secret: str) -> None:
        """Remember a secret as the newest one."""
        key = (secret, False)
        if len(secret) > self._max_whole:
            key = (secret[:_KNOWN_PREFIX], True)
        self._forms[key] = self._forms.pop(key, None)
        if self._max_count is not None and len(self._forms) > self._max_count:
            del self._forms[next(iter(self._forms))]

    def __iter__(self) -> Iterator[tuple[str, bool]]:
        """Yield each form, and whether more of the secret follows behind it."""
        for key, known in self._forms.items():
            forms = known
            if forms is None:
                forms = self._forms[key] = tuple(dict.fromkeys(_forms(key[0])))
            for form in forms:
                yield form, key[1]


class SecretFilter(logging.Filter):
    """Masks secrets in log records, in tracebacks too, and keeps each to one line.

    Texts of one or two characters are left alone, and so are fetched or captured
    numbers of less than eight digits: they would mask the counts and times of every
    line. So is an address without a path, which logs are to name.

    Args:
        secrets: Secrets of the config; more may be added later.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        # The loop's thread learns while the main thread logs. Taken again by whoever
        # has it: a signal's handler or a finalizer may log at any moment.
        self._lock = threading.RLock()
        # Of the config, all of them; fetched ones; and captured ones by their name.
        self._given = _Forms(None, _MAX_KNOWN_WHOLE)
        self._fetched = _Forms(_MAX_REMEMBERED, _MAX_KNOWN_WHOLE)
        self._captured: dict[str, _Forms] = {}
        # Makes the text of tracebacks, to mask them.
        self._formatter = logging.Formatter()
        self.add(secrets)

    def install(self) -> None:
        """Mask every log record of this process, for as long as the filter is kept.

        Filters of handlers would miss those of a logger's own handlers, and handlers
        that are added later.
        """
        _installed.add(self)
        if not isinstance(logging.getLogRecordFactory(), _MaskingFactory):
            logging.setLogRecordFactory(_MaskingFactory(logging.getLogRecordFactory()))

    def add(self, secrets: Iterable[str]) -> None:
        """Mask secrets of the config, for good."""
        with self._lock:
            for secret in secrets:
                self._given.add(secret)

    def learn(self, secrets: Iterable[str]) -> None:
        """Mask secrets that were fetched; the last thousand are remembered."""
        with self._lock:
            for secret in filter(_is_telling, secrets):
                self._fetched.add(secret)

    def capture(self, values: Mapping[str, Any]) -> None:
        """Mask captured values; the last thousand of each name are remembered."""
        with self._lock:
            for name, value in values.items():
                text = text_of(value)
                if _is_telling(text):
                    forms = self._captured.get(name)
                    if forms is None:
                        forms = _Forms(_MAX_REMEMBERED, _MAX_CAPTURED_WHOLE)
                        self._captured[name] = forms
                    forms.add(text)

    def text(self, text: str) -> str:
        """Return a text with every secret in it masked, in each of its forms.

        A secret that is known by its beginning alone takes the rest of the text with
        it.
        """
        with self._lock:
            known = itertools.chain(
                self._given, self._fetched, *self._captured.values()
            )
            found = [(form, cut) for form, cut in known if form in text]
        # A form that is cut is looked for first: another secret may stand inside of
        # it, and without that the rest of it would stay.
        starts = [text.index(form) for form, cut in found if cut]
        rest = ""
        if starts:
            text, rest = text[: min(starts)], _MASK
        for form, _ in sorted(found, key=lambda item: len(item[0]), reverse=True):
            text = text.replace(form, _MASK)
        return text + rest

    def excerpt(self, text: str, limit: int) -> str:
        """Return the beginning of a text for a line: masked, escaped and cut.

        Args:
            text: What a server said, of any length.
            limit: Characters that are shown of it.
        """
        # A secret that begins within the limit is seen whole, unless it is longer
        # than any line.
        masked = self.text(text[: limit + _MAX_LINE])
        return escape(shorten(masked, limit) if len(text) > limit else masked[:limit])

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask a record; it is never dropped."""
        try:
            message = record.getMessage()
        except (TypeError, ValueError, KeyError, IndexError):
            # The handler would print the arguments as they are.
            record.msg, record.args = "a log line could not be formatted", None
            return True
        shown = self.excerpt(message.rstrip("\n"), _MAX_LINE)
        if shown != message:
            record.msg, record.args = shown, None
        if record.exc_info:
            trace = record.exc_text or self._formatter.formatException(record.exc_info)
            record.exc_text = self.text(trace)
            if record.exc_text != trace:
                # Formatters of other libraries print the exception itself.
                record.exc_info = None
        return True


_installed: weakref.WeakSet[SecretFilter] = weakref.WeakSet()
"""The filters that act in this process: those of the taps that it keeps."""


class _MaskingFactory:
    """Makes the log records of this process, masked."""

    def __init__(self, make: Callable[..., logging.LogRecord]) -> None:
        self._make = make

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:  # noqa: ANN401 - logging's own
        """Make a record with the secrets of every installed filter masked."""
        record = self._make(*args, **kwargs)
        for secrets in tuple(_installed):
            secrets.filter(record)
        return record


def _is_telling(secret: str) -> bool:
    return not secret.isdecimal() or len(secret) >= _MIN_DIGITS


def _forms(secret: str) -> Iterator[str]:
    """Yield the forms in which a secret may show.

    Those are: as it is, escaped for JSON (once, and inside of another JSON string), for
    HTML and for Python, percent- and form-encoded, base64 wherever it begins within the
    encoded text, and hexadecimal.
    """
    if len(secret) < _MIN_LENGTH or _ORIGIN.fullmatch(secret):
        return
    yield secret
    if _HEX.fullmatch(secret):
        yield secret.lower()
        yield secret.upper()
    for ascii_only in (True, False):
        once = json.dumps(secret, ensure_ascii=ascii_only)[1:-1]
        yield once
        yield json.dumps(once, ensure_ascii=ascii_only)[1:-1]
    yield html.escape(secret)
    # A close reason is printed as Python writes it.
    yield secret.replace("\\", "\\\\").replace("'", "\\'")
    for encoded in (
        quote(secret, safe="", errors="replace"),
        quote(secret, errors="replace"),
        quote_plus(secret, errors="replace"),
    ):
        yield encoded
        yield _PERCENT.sub(lambda found: found[0].lower(), encoded)
    if len(secret) >= _MIN_ENCODED:
        data = secret.encode(errors="replace")
        yield data.hex()
        yield data.hex().upper()
        yield from _base64_forms(data)


def _base64_forms(data: bytes) -> Iterator[str]:
    """Yield what is fixed in the base64 of any text that holds the data.

    Three bytes become four characters, so it depends on where the data begins; the
    characters at both ends also depend on what stands beside it.
    """
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + data)
        start = (before * 8 + 5) // 6
        end = (before + len(data)) * 8 // 6
        form = encoded[start:end].decode("ascii")
        yield form
        yield form.translate(_URL_SAFE)


_URL_SAFE = str.maketrans("+/", "-_")


def escape(text: str) -> str:
    """Return a text on one line, whatever it holds, without terminal sequences.

    What cannot be printed (control characters, line breaks, marks that turn the
    direction of writing, lone surrogates) is shown as its escape in Python.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode()
        for char in text
    )


def shorten(text: str, limit: int = _MAX_NAME) -> str:
    """Return a text that is short enough for a line, and says so where it was cut.

    Args:
        text: A name or a text of any length.
        limit: Characters that are kept.
    """
    if len(text) <= limit:
        return text
    return f"{text[:limit]}… ({len(text)} characters)"


class Redacted(msgspec.Struct, frozen=True):
    """A value whose fields do not show where it is printed."""

    def __repr__(self) -> str:
        """Return the name of the class alone."""
        return f"{type(self).__name__}(…)"


class LogThrottle:
    """Lets one line through in each interval, and counts those that it held back.

    Args:
        interval: Seconds between two lines.
        level: The level of the lines.
        clock: Seconds, from any start.
    """

    def __init__(
        self,
        interval: float,
        *,
        level: int = logging.WARNING,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._interval = interval
        self._level = level
        self._clock = clock
        # When the next line may be logged, and how many came before that.
        self._next = float("-inf")
        self._held = 0

    def __call__(self, logger: logging.Logger, message: str, *args: object) -> bool:
        """Log the line, unless one was logged within the interval.

        Returns:
            Whether it was logged.
        """
        now = self._clock()
        if now < self._next:
            self._held += 1
            return False
        held = counted(self._held, "more such line was", "more such lines were")
        more = f" ({held} held back)" if self._held else ""
        self._held = 0
        self._next = now + self._interval
        logger.log(self._level, "%s%s", message % args, more)
        return True
