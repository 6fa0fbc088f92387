"""From a payload to documents, and from a document to records."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from tap_websocket import jsontext
from tap_websocket.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_websocket.settings import DecodeSettings

__all__ = ["DATA", "Decoder"]

DATA = "data"
"""The column of whatever is no JSON object."""

Record = dict[str, Any]


class Decoder:
    """Turns payloads into records, as the settings say."""

    def __init__(
        self,
        settings: DecodeSettings,
        *,
        whole: bool,
        opens_arrays: bool,
    ) -> None:
        """Make a decoder.

        Args:
            settings: The message format and the like.
            whole: Each record lands whole in the column `data`.
            opens_arrays: An array of objects is several documents.
        """
        self._settings = settings
        self._opens_arrays = opens_arrays
        self._whole = whole

    def documents(self, payload: bytes) -> Iterator[Any]:
        """Yield the documents of a payload: parsed JSON, or text, or base64.

        Raises:
            ParseError: When the payload is not what `message_format` says.
        """
        kind = self._settings.message_format
        if kind == "binary":
            yield base64.b64encode(payload).decode("ascii")
            return
        try:
            text = payload.decode()
        except UnicodeDecodeError as error:
            msg = (
                f"a message of {len(payload)} bytes is no valid UTF-8; set "
                "message_format: binary, or on_parse_error: skip"
            )
            raise ParseError(msg) from error
        if kind == "raw_string":
            yield text
            return
        try:
            document = jsontext.parse(payload)
        except jsontext.InvalidJson as error:
            msg = (
                f"a message of {len(payload)} bytes is no valid JSON ({error}); set "
                "message_format: raw_string, or on_parse_error: skip"
            )
            raise ParseError(msg) from error
        if isinstance(document, list) and self._opens(document):
            yield from document
        else:
            yield document

    def _opens(self, items: list[Any]) -> bool:
        """Tell whether each item of an array is a document of its own.

        The items of an array of objects are; an empty one has no document in it.
        """
        if not items:
            return True
        return self._opens_arrays and all(isinstance(item, dict) for item in items)

    def record(self, document: Any) -> Record:  # noqa: ANN401 - any JSON
        """Return the record that a document is."""
        if isinstance(document, dict) and not self._whole:
            return document
        return {DATA: document}
