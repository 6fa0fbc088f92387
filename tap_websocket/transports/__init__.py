"""WebSocket libraries behind one small protocol."""

from __future__ import annotations
