"""A feed whose fields drift, and whether a target got all of them."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.support.tap import parse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.servers import Peer


__all__ = ["PHASE", "Rows", "as_sent", "check", "drift", "gather", "plain", "sending"]


PHASE = 120
"""Messages of each shape: more than the sample."""

Rows = list[dict[str, Any]]


def sending(messages: list[str]) -> Any:
    async def script(peer: Peer) -> None:
        for message in messages:
            await peer.send(message)
            await asyncio.sleep(0)
        await peer.close(1000)

    return script


def drift() -> list[dict[str, Any]]:
    """Return messages whose shape changes while the feed runs."""
    shapes: list[dict[str, Any]] = [
        {"a": 1, "b": "x", "null_first": None, "venue": {"name": "N"}},
        {"a": 2, "b": "x", "appears": "new", "null_first": 7},
        {"a": 3},
        {"a": Decimal("4.25"), "b": "x"},
        {"a": 5, "b": {"was": "text"}},
        {"a": 6, "b": "x", "venue": {"name": 1, "deep": [{"er": True}]}},
        {"a": 7, "b": [1, 2], "flag": True},
        {"a": 2**70, "b": "nul \x00 inside"},
        {"a": 9, "b": "lone \ud800 surrogate"},
        {"Case": "upper", "case": "lower"},
        {"a.b": 1, "a_b": 2, "A_B": 3},
        {"a": 10, "dot.ted": 1, "sp aced": 2, "k" * 200: 3, "": 4, 'quo"te': 5},
    ]
    return [
        shape | {"i": number * PHASE + n}
        for number, shape in enumerate(shapes)
        for n in range(PHASE)
    ]


def as_sent(message: dict[str, Any]) -> str:
    import simplejson  # noqa: PLC0415

    return str(simplejson.dumps(message, use_decimal=True))


Fields = list[tuple[str, Any]]


def gather(row: dict[str, Any], sent_as: Mapping[str, str] | None = None) -> Fields:
    """Put a row's columns and its rescued fields together again."""
    rescued = row.get("_rescued_data")
    columns = {
        (sent_as or {}).get(name, name): value
        for name, value in row.items()
        if not name.startswith("_sdc") and name != "_rescued_data"
    }
    return plain(columns) + plain(parse(rescued) if rescued else {})


def plain(message: dict[str, Any]) -> Fields:
    """Fields that are not null; some targets fold names to lower case."""
    return [
        (name.lower(), value) for name, value in message.items() if value is not None
    ]


def check(
    rows: Rows,
    messages: list[dict[str, Any]],
    sent_as: Mapping[str, str] | None = None,
) -> None:
    found = {row["i"]: gather(row, sent_as) for row in rows}
    assert len(rows) == len(messages)
    assert len(found) == len(messages)
    for message in messages:
        fields = found[message["i"]]
        assert sorted(fields, key=repr) == sorted(plain(message), key=repr)
