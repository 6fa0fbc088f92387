"""The values of placeholders on one link to the feed."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Values"]


class Values(collections.ChainMap[str, Any]):
    """Name to value; of several the last wins, in the contract's order.

    These are `placeholders`, the link's context, what `auth` offers, and what rules
    captured on the link's connections, which outlives a reconnect.
    """

    def __init__(
        self,
        placeholders: Mapping[str, Any] | None = None,
        context: Mapping[str, str] | None = None,
    ) -> None:
        """Start with the values that are fixed."""
        super().__init__({}, {}, dict(context or {}), dict(placeholders or {}))

    def authenticate(self, offered: Mapping[str, Any]) -> None:
        """Put the values of fresh credentials in the place of earlier ones."""
        self.maps[1] = dict(offered)

    def capture(self, captured: Mapping[str, Any]) -> None:
        """Keep what a rule captured."""
        self.maps[0].update(captured)
