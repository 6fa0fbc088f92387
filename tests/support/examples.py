"""How many examples a property-based test takes: few while one works, all in CI."""

from __future__ import annotations

from hypothesis import settings

__all__ = ["examples"]

_WHILE_WORKING = 8
"""For each config of a property; some have dozens."""


def examples(number: int) -> int:
    """Return the number of examples: this many, or a few with the profile `dev`."""
    working = settings.get_current_profile_name() == "dev"
    return min(number, _WHILE_WORKING) if working else number
