"""Credentials that a user wrote into messages, and not into `placeholders` or `auth`.

Servers repeat what they refuse, so these would show in errors and logs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tap_websocket import jsontext
from tap_websocket.auth.secret_texts import values_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_websocket.jsontext import JsonValue

__all__ = ["literal_secrets"]

_NAMES = re.compile(
    r"""(?x)
    .*(?: token | secret | password | passwd | passphrase | api_?key | access_?key
        | private_?key | signature | authorization | credentials? | jwt | cookie )
    | pass | pwd
    """,
)
"""Names whose values are credentials, in lower case and with `_` for other marks."""

_DOUBTFUL_NAMES = frozenset({"key", "auth", "sign", "sig", "session", "sid"})
"""Names whose values may be something else, unless they are long."""

_MIN_LENGTH = 6
_MIN_DOUBTFUL_LENGTH = 16
"""Shorter values are words: to mask `key: price` would hide half the log."""

_IN_TEXT = re.compile(
    r"""(?ix)
    \b(?: pass(?:word|wd|phrase)? | pwd | auth(?:orization)? | bearer | login | jwt
        | [a-z_-]*token | [a-z_-]*secret | api_?key | signature )
    \b["']? [\s:=]+ ["']? ([^\s"'&,;{}]{6,})
    """,
)
"""A credential behind its name: `PASS oauth:…`, `password=…`."""


def literal_secrets(message: JsonValue) -> Iterator[str]:
    """Yield the credentials in a message: texts behind names that call them so.

    Args:
        message: A text, which may be JSON, or a JSON value.
    """
    if isinstance(message, str):
        yield from _in_text(message)
    elif isinstance(message, dict):
        for name, value in message.items():
            minimum = _minimum(name)
            if minimum is None:
                yield from literal_secrets(value)
            else:
                yield from (text for text in values_in(value) if len(text) >= minimum)
    elif isinstance(message, list):
        for item in message:
            yield from literal_secrets(item)


def _minimum(name: str) -> int | None:
    """Return from which length on a value of this name is a credential."""
    plain = re.sub(r"[^a-z0-9]", "_", name.lower())
    if _NAMES.fullmatch(plain):
        return _MIN_LENGTH
    return _MIN_DOUBTFUL_LENGTH if plain in _DOUBTFUL_NAMES else None


def _in_text(text: str) -> Iterator[str]:
    try:
        value = jsontext.parse(text)
    except jsontext.InvalidJson:
        value = None
    if isinstance(value, dict | list):
        yield from literal_secrets(value)
    else:
        yield from _IN_TEXT.findall(text)
