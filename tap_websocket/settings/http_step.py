"""Steps over HTTP: items of `subscribe_messages` that are a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tap_websocket.http.request import HttpRequest
from tap_websocket.settings.checks import (
    check_names,
    check_request,
    compile_checked,
)
from tap_websocket.settings.declare import (
    BOOLEAN,
    JSON,
    STRING,
    STRING_MAP,
    obj,
    seconds,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from tap_websocket.expressions.path import Path
    from tap_websocket.jsontext import Schema

__all__ = ["STEP_KEYS", "HttpStep", "read_step", "step_names"]

STEP_KEYS: dict[str, Schema] = {
    "request": obj(("url",), url=STRING, method=STRING, headers=STRING_MAP, body=JSON),
    "values": STRING_MAP,
    "records": BOOLEAN,
    "every": seconds(),
}
"""The keys of an item that is a request, beside `reply_timeout`."""


class HttpStep(msgspec.Struct, frozen=True):
    """A request that is made in its place among the messages.

    Attributes:
        request: What is asked.
        values: Name to path into the JSON reply: placeholders of the connection.
        records: The reply's body is a message of the connection.
        every: Seconds after which it is made again, while the connection lasts.
    """

    request: HttpRequest
    values: tuple[tuple[str, Path], ...] = ()
    records: bool = False
    every: float | None = None


def step_names(config: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of the values that requests take from their replies."""
    return frozenset(
        name
        for item in config["subscribe_messages"]
        if isinstance(item, dict)
        for name in item.get("values", {})
    )


def read_step(
    where: str,
    given: Mapping[str, Any],
    declared: Collection[str],
    problems: list[str],
) -> HttpStep | None:
    """Read the keys of an item that make it a request; None where it is a message.

    Args:
        where: The item's place in the config.
        given: The item.
        declared: The names that are placeholders.
        problems: Takes one line for each problem.
    """
    if "request" not in given:
        problems += [
            f"{where}: {key} needs a request; add it"
            for key in STEP_KEYS
            if key in given and key != "records"
        ]
        if "records" in given and "reply" not in given:
            problems.append(f"{where}: records needs a request or a reply; add one")
        return None
    problems += [
        f"{where}: {key} does not go with a request; make it an item of its own"
        for key in ("message", "binary", "reply", "reply_count")
        if key in given
    ]
    request = given["request"]
    check_request(f"{where}.request", request, declared, problems)
    values = given.get("values", {})
    check_names(f"{where}.values", values, problems)
    paths = [
        (name, compile_checked(f"{where}.values.{name}", path, problems))
        for name, path in values.items()
    ]
    return HttpStep(
        HttpRequest(
            f"{where}.request",
            url=request["url"],
            method=request.get("method", "POST"),
            headers=tuple(request.get("headers", {}).items()),
            body=request.get("body"),
            declared=declared,
        ),
        values=tuple((name, path) for name, path in paths if path is not None),
        records=given.get("records", False),
        every=given.get("every"),
    )
