"""The config: each setting declared, typed, checked and read, a file for each group."""

from __future__ import annotations

from tap_websocket.settings.connection import ConnectionSettings
from tap_websocket.settings.continuity import (
    ContinuitySettings,
    Deduplicate,
    SequenceSettings,
)
from tap_websocket.settings.decoding import Context, DecodingSettings
from tap_websocket.settings.delivery import DeliverySettings
from tap_websocket.settings.ends import EndSettings, missing_end
from tap_websocket.settings.read import (
    Settings,
    read_settings,
    resubscribed,
    schema,
    subscription_of,
)
from tap_websocket.settings.reconnect import CloseCodes, ReconnectSettings
from tap_websocket.settings.stream import StreamSettings
from tap_websocket.settings.subscribe_item import Item
from tap_websocket.settings.subscription import SubscriptionSettings
from tap_websocket.settings.topics import TopicSettings

__all__ = [
    "CloseCodes",
    "ConnectionSettings",
    "Context",
    "ContinuitySettings",
    "DecodingSettings",
    "Deduplicate",
    "DeliverySettings",
    "EndSettings",
    "Item",
    "ReconnectSettings",
    "SequenceSettings",
    "Settings",
    "StreamSettings",
    "SubscriptionSettings",
    "TopicSettings",
    "missing_end",
    "read_settings",
    "resubscribed",
    "schema",
    "subscription_of",
]
