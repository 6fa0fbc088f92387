"""`python -m tap_websocket` is the command `tap-websocket`."""

from __future__ import annotations

from tap_websocket.tap import TapWebSocket

TapWebSocket.cli()
