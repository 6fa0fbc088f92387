"""How long to wait before a server is asked again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tap_websocket.settings import ReconnectSettings

__all__ = ["MAX_REFUSED_SECONDS", "backoff", "refused_backoff"]

MAX_REFUSED_SECONDS = 300.0
"""Longest wait before a server is asked again that refused one line of several."""

_MAX_DOUBLINGS = 64
"""More doublings reach any `reconnect_backoff_max`, and floats end at 2^1024."""


def backoff(settings: ReconnectSettings, attempt: int, random: float) -> float:
    """Return the seconds to wait before a retry.

    Args:
        settings: `reconnect_backoff`, and `reconnect_backoff_max` where given.
        attempt: Number of this retry since the last data message, from 1.
        random: A number from 0 to 1, for the jitter.
    """
    if settings.reconnect_backoff_max is None:
        return settings.reconnect_backoff
    doubled = settings.reconnect_backoff * 2.0 ** min(attempt - 1, _MAX_DOUBLINGS)
    return min(doubled, settings.reconnect_backoff_max) * random


def refused_backoff(settings: ReconnectSettings, attempt: int) -> float:
    """Return the seconds to wait while the feed is received on another connection.

    Args:
        settings: `reconnect_backoff`, from which the wait doubles to five minutes.
        attempt: Number of this retry, from 1.
    """
    doubled = settings.reconnect_backoff * 2.0 ** min(attempt - 1, _MAX_DOUBLINGS)
    return min(doubled, MAX_REFUSED_SECONDS)
