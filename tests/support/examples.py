"""How many examples a property-based test takes: few while one works, all in CI."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["examples", "groups"]

T = TypeVar("T")

_TOGETHER = 4
"""Configs in a group: enough groups are left for the processes of a test run."""

_WHILE_WORKING = 8
"""For each config of a property; some have dozens."""


def examples(number: int) -> int:
    """Return the number of examples: this many, or a few with the profile `dev`."""
    working = settings.get_current_profile_name() == "dev"
    return min(number, _WHILE_WORKING) if working else number


def groups(configs: Sequence[T]) -> list[Sequence[T]]:
    """Return configs by the few, for a property that holds for each of them.

    To draw an example costs more than to try it: a group tries each of its examples on
    all of its configs.
    """
    return [configs[at : at + _TOGETHER] for at in range(0, len(configs), _TOGETHER)]
