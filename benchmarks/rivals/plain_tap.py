"""A tap as the SDK's users write them: its defaults, and a record for each message."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, ClassVar

from singer_sdk import Stream, Tap
from singer_sdk import typing as th
from websockets.sync.client import connect

if TYPE_CHECKING:
    from collections.abc import Iterable

    from singer_sdk.helpers.types import Context, Record

__all__ = ["PlainTap"]


class Messages(Stream):
    """The messages of a feed."""

    name = "messages"
    schema: ClassVar = th.PropertiesList(
        th.Property("symbol", th.StringType),
        th.Property("price", th.NumberType),
        th.Property("quantity", th.NumberType),
        th.Property("trade_id", th.IntegerType),
        th.Property("buyer_is_maker", th.BooleanType),
        th.Property("side", th.StringType),
        th.Property("note", th.StringType),
    ).to_dict()

    def get_records(self, context: Context | None) -> Iterable[Record]:  # noqa: ARG002
        """Yield a record for each message."""
        with connect(self.config["url"], max_size=None) as feed:
            for message in feed:
                yield json.loads(message)


class PlainTap(Tap):
    """The tap."""

    name = "plain-tap"
    config_jsonschema: ClassVar = th.PropertiesList(
        th.Property("url", th.StringType, required=True),
    ).to_dict()

    def discover_streams(self) -> list[Stream]:
        """Return the one stream."""
        return [Messages(self)]


if __name__ == "__main__":
    PlainTap.cli()
