"""The message formats by name: what each one calls for in the config.

How a format's bytes become a value is `records/formats.py`.
"""

from __future__ import annotations

import dataclasses
import importlib.util
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from tap_websocket.errors import extra_needed
from tap_websocket.settings.declare import STRING, choice, obj, setting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_websocket.jsontext import Schema

__all__ = [
    "MESSAGE_FORMAT",
    "PROTOBUF",
    "STRUCTURED",
    "MessageFormat",
    "ProtobufType",
    "has_text",
    "is_structured",
    "needs_protobuf",
    "read_protobuf",
]

MessageFormat = Literal["json", "msgpack", "cbor", "protobuf", "raw_string", "binary"]

MESSAGE_FORMAT: Schema = setting(
    choice(*get_args(MessageFormat)),
    "`json` and `raw_string` also read binary frames; `binary` is base64 of the "
    "payload. `msgpack`, `cbor` (extra `cbor`) and `protobuf` (extra `protobuf`) "
    "read each binary message as one value, which is then treated as JSON; text "
    "frames are JSON.",
    default="json",
)

PROTOBUF: Schema = setting(
    obj(
        ("descriptor_file", "message_type"),
        descriptor_file=STRING,
        message_type=STRING,
    ),
    "For `message_format: protobuf`: `descriptor_file` is the path of what `protoc "
    "--descriptor_set_out=FILE --include_imports` writes, and `message_type` the "
    "full name of the type of each message (`package.Name`).",
)

STRUCTURED: Final[tuple[MessageFormat, ...]] = ("json", "msgpack", "cbor", "protobuf")
"""Formats whose messages are JSON, or become it."""

_EXTRAS = {"cbor": "cbor2", "protobuf": "google.protobuf"}
"""What the extra of a format's name installs."""


def is_structured(message_format: str) -> bool:
    """Return whether messages are JSON, or become it: paths and inference apply."""
    return message_format in STRUCTURED


def has_text(message_format: str) -> bool:
    """Return whether messages are texts, or become one: patterns apply."""
    return message_format != "binary"


def needs_protobuf(message_format: str) -> bool:
    """Return whether the setting `protobuf` says what messages are."""
    return message_format == "protobuf"


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class ProtobufType:
    """The type of each message, and the file that describes it."""

    descriptor_file: str
    message_type: str


def read_protobuf(
    config: Mapping[str, Any], problems: list[str]
) -> ProtobufType | None:
    """Read the type of Protobuf messages, and check the extra of the format.

    Args:
        config: All settings, with their types.
        problems: Takes one line for each problem.
    """
    form, given = config["message_format"], config.get("protobuf")
    if form in _EXTRAS and not _is_installed(_EXTRAS[form]):
        problems.append(f"message_format: {form} {extra_needed(form)}")
    if not needs_protobuf(form):
        return None
    if given is None:
        problems.append(
            "protobuf: is required with message_format: protobuf; give descriptor_file "
            "and message_type"
        )
        return None
    return ProtobufType(**given)


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        # The package that it is part of is missing.
        return False
