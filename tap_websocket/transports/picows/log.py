"""What picows logs: for a violation that it finds, the only sign in that moment."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["make_logger"]


class _Refusals(logging.Handler):
    """Hears of a violation in the moment that picows logs it."""

    def __init__(self, refused: Callable[[], None]) -> None:
        super().__init__()
        self._refused = refused

    def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002 - one sign
        self._refused()


def make_logger(refused: Callable[[], None]) -> logging.Logger:
    """Return the logger of one connection; it writes nothing.

    picows logs URLs, and a line for each step; the feed says what matters.

    Args:
        refused: Called when picows has found a violation.
    """
    logger = logging.Logger("picows", level=logging.ERROR)  # noqa: LOG001 - of its own
    logger.addHandler(_Refusals(refused))
    return logger
