"""This tap with the SDK's work on each record, as a subclass's own makes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_websocket.stream import WebSocketStream
from tap_websocket.tap import TapWebSocket

if TYPE_CHECKING:
    from collections.abc import Sequence

    from singer_sdk.helpers.types import Context, Record

__all__ = ["SdkPathTap"]


class SdkPathStream(WebSocketStream):
    """A stream that may change each record, and so gets each of them."""

    def post_process(
        self,
        row: Record,
        context: Context | None = None,  # noqa: ARG002
    ) -> Record | None:
        """Return the record as it is."""
        return row


class SdkPathTap(TapWebSocket):
    """A tap that was built on this one."""

    def discover_streams(self) -> Sequence[WebSocketStream]:
        """Return the one stream."""
        return [SdkPathStream(self)]


if __name__ == "__main__":
    SdkPathTap.cli()
