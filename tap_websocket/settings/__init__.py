"""The config as frozen, typed dataclasses, with every check across settings."""

from __future__ import annotations

from tap_websocket.settings.model import (
    CloseCodes,
    ConnectionSettings,
    Context,
    DecodeSettings,
    DeliverySettings,
    EndSettings,
    KeepaliveSettings,
    MessageSettings,
    ReconnectSettings,
    Settings,
    StreamSettings,
)
from tap_websocket.settings.read import (
    missing_end,
    read_settings,
    resubscribed,
    subscription_of,
)

__all__ = [
    "CloseCodes",
    "ConnectionSettings",
    "Context",
    "DecodeSettings",
    "DeliverySettings",
    "EndSettings",
    "KeepaliveSettings",
    "MessageSettings",
    "ReconnectSettings",
    "Settings",
    "StreamSettings",
    "missing_end",
    "read_settings",
    "resubscribed",
    "subscription_of",
]
