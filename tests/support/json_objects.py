"""Texts of JSON objects, hostile ones among them, for property-based tests."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

__all__ = ["objects", "texts_of_json"]


_NAMES = st.sampled_from(
    [
        *(
            "a",
            "A",
            "a.b",
            "a b",
            "a-b",
            "a_b",
            "data",
            "\N{LATIN SMALL LETTER SHARP S}",
        ),
        *("", " ", "\x00", "\ud800", "a\nb", 'a"b', "a\\b", "\N{FIRE}", "ctid"),
        *(
            "_rescued_data",
            "_RESCUED_DATA",
            "_received_at",
            "exchange",
            "_sdc_batched_at",
        ),
        *("x" * 63, "x" * 64, "x" * 200, "\xe9" * 32),
    ],
) | st.text(st.characters(codec=None), max_size=3)


_NUMBERS = (
    st.sampled_from(
        [
            *("0", "-0", "1", "1.0", "1e3", "42000.10", "-0.0", "1e400", "1e-400"),
            *("9223372036854775807", "9223372036854775808", "-9223372036854775809"),
            *("123456789012345678901234567890", "1e308", "1e309", "1e-20000"),
            *("1234567890.123456789012345", "9" * 4301, "0." + "1" * 17_000),
        ],
    )
    | st.integers().map(str)
    | st.decimals(allow_nan=False, allow_infinity=False).map(str)
)


_TEXTS = st.sampled_from(
    [
        "",
        "x",
        "12",
        "1.50",
        '"q"',
        "null",
        " true ",
        "[1]",
        "{",
        "\x00",
        "\ud800",
        "\udc00",
    ],
) | st.text(st.characters(codec=None), max_size=5)


_SPACES = st.sampled_from(["", "", "", " ", "\n", "\r\n", "\t"])


@st.composite
def texts_of_json(draw: Any, levels: int = 3) -> str:
    """Draw the text of any JSON value, with line breaks and repeated names in it."""
    kind = draw(st.integers(0, 8 if levels else 5))
    space = draw(_SPACES)
    if kind <= 1:
        text = draw(_NUMBERS)
    elif kind <= 3:
        text = json.dumps(draw(_TEXTS), ensure_ascii=draw(st.booleans()))
        text = text if text.isascii() else json.dumps(json.loads(text))
    elif kind <= 5:
        text = draw(st.sampled_from(["null", "true", "false", "{}", "[]"]))
    elif kind == 6:
        text = draw(objects(levels=levels - 1))
    elif kind == 7:
        items = draw(st.lists(texts_of_json(levels=levels - 1), max_size=3))
        text = f"[{space}{','.join(items)}]"
    else:
        deep = draw(st.sampled_from([5, 7, 99, 100, 101, 300]))
        text = "[" * deep + draw(_NUMBERS) + "]" * deep
    return f"{space}{text}{space}"


@st.composite
def objects(draw: Any, levels: int = 3) -> str:
    inner = texts_of_json(levels=levels)
    members = draw(st.lists(st.tuples(_NAMES, inner), max_size=5))
    space = draw(_SPACES)
    body = ",".join(
        f"{space}{json.dumps(name)}{space}:{text}" for name, text in members
    )
    return f"{{{body}{space}}}"
