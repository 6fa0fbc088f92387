"""A Singer tap that turns a live WebSocket feed into records."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
