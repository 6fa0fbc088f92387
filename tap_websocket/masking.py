"""Secrets never show: what a log line holds of them is blotted out."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Mask"]

_BLOT = "****"
_SHORTEST = 3


class Mask(logging.Filter):
    """A filter for log handlers that masks secrets, in tracebacks too.

    Texts of one or two characters are left alone: they would blot out every line.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Make a mask; it may learn more secrets later."""
        super().__init__()
        self._lock = threading.Lock()
        self._secrets: tuple[str, ...] = ()
        self._formatter = logging.Formatter()
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Learn secrets, their percent-encoded forms included."""
        with self._lock:
            known = set(self._secrets)
            for secret in secrets:
                known |= {secret, quote(secret, safe=""), quote(secret)}
            long = (secret for secret in known if len(secret) >= _SHORTEST)
            self._secrets = tuple(sorted(long, key=len, reverse=True))

    def text(self, text: str) -> str:
        """Return a text with every secret in it blotted out."""
        for secret in self._secrets:
            text = text.replace(secret, _BLOT)
        return text

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask a record; it is never dropped."""
        message = record.getMessage()
        masked = self.text(message)
        if masked != message:
            record.msg, record.args = masked, None
        if record.exc_info:
            trace = record.exc_text or self._formatter.formatException(record.exc_info)
            record.exc_text = self.text(trace)
        return True
