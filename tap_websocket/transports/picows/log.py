"""What picows logs: it reports a protocol violation through its logger only."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["make_logger"]


class _Violations(logging.Handler):
    """Reports a violation in the moment that picows 2.3 logs it.

    Without it the violation would be known when picows has hung up, some time later.
    """

    def __init__(self, refused: Callable[[], None]) -> None:
        super().__init__()
        self._refused = refused

    def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002 - one meaning
        self._refused()


def make_logger(refused: Callable[[], None]) -> logging.Logger:
    """Return the logger of one connection; it writes nothing.

    picows logs URLs, and a line for each step; the feed says what matters.

    Args:
        refused: Called when picows has found a violation.
    """
    logger = logging.Logger("picows", level=logging.ERROR)  # noqa: LOG001 - of its own
    logger.addHandler(_Violations(refused))
    return logger
