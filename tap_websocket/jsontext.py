"""Exact JSON: every digit and every character comes in and goes out."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, NoReturn

import msgspec
import simplejson

__all__ = ["InvalidJson", "ascii_text", "dumps", "parse"]

_LONGEST_INTEGER = 4000
"""Python refuses to read or print longer integers (`sys.set_int_max_str_digits`)."""

_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode


class InvalidJson(ValueError):
    """A text is no JSON, or nested too deeply to be read; the text is not shown."""


def parse(payload: bytes) -> Any:  # noqa: ANN401 - any JSON
    """Return the value of a JSON text (RFC 8259).

    Numbers with a fraction or an exponent are `Decimal`, and so are integers of
    thousands of digits. The last of several equal keys wins. A lone surrogate, which
    JavaScript servers do send, is kept.

    Raises:
        InvalidJson: When the text is no JSON, no UTF-8, or nested too deeply.
    """
    try:
        return _decode(payload)
    except msgspec.MsgspecError:
        return _parse_slowly(payload)
    except RecursionError as error:
        raise InvalidJson(_DEEP) from error


_DEEP = "it is nested too deeply"


def _parse_slowly(payload: bytes) -> Any:  # noqa: ANN401 - any JSON
    try:
        return json.loads(
            payload.decode(),
            parse_float=Decimal,
            parse_int=_integer,
            parse_constant=_refuse,
        )
    except RecursionError as error:
        raise InvalidJson(_DEEP) from error
    except json.JSONDecodeError as error:
        msg = f"{error.msg} at character {error.pos}"
        raise InvalidJson(msg) from error
    except UnicodeDecodeError as error:
        msg = f"it is no valid UTF-8 at byte {error.start}"
        raise InvalidJson(msg) from error


def _integer(digits: str) -> int | Decimal:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else Decimal(digits)


def _refuse(constant: str) -> NoReturn:
    msg = f"{constant} is no JSON number"
    raise InvalidJson(msg)


def dumps(value: Any) -> bytes:  # noqa: ANN401 - any JSON
    """Return a value as JSON on one line, compact, with every digit."""
    try:
        return _encode(value)
    except (UnicodeEncodeError, ValueError, msgspec.MsgspecError):
        return ascii_text(value).encode("ascii")


def ascii_text(value: Any) -> str:  # noqa: ANN401 - any JSON
    """Return a value as JSON in ASCII: what no target can hold is escaped."""
    return str(
        simplejson.dumps(
            value, use_decimal=True, separators=(",", ":"), allow_nan=False
        ),
    )
