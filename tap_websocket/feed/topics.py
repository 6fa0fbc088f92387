"""The connections of a run, from its topics: fetched over HTTP, where they are."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING

from tap_websocket.errors import ConnectionFailed
from tap_websocket.expressions.placeholders import (
    ConnectionBuiltins,
    PlaceholderValues,
)
from tap_websocket.expressions.rendering import has_fixed_origin
from tap_websocket.feed.backoff import backoff
from tap_websocket.feed.http_redirects import send_and_follow
from tap_websocket.feed.subscription import requests
from tap_websocket.feed.threads import in_thread
from tap_websocket.feed.trust import TrustedOrigins
from tap_websocket.http.answer import Purpose, TransientHttpError
from tap_websocket.http.client import HttpClient
from tap_websocket.jsontext import JsonValue, text_of
from tap_websocket.network.tls import make_context
from tap_websocket.network.urls import log_label
from tap_websocket.settings.topics import TopicRequest
from tap_websocket.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tap_websocket.feed.run_state import RunState
    from tap_websocket.http.answer import Answer
    from tap_websocket.settings import Settings
    from tap_websocket.settings.connections import PlannedConnection

__all__ = ["plan_connections"]

_LOGGER = logging.getLogger("tap-websocket")


async def plan_connections(
    settings: Settings,
    run: RunState,
    learn: Callable[[Iterable[str]], None],
) -> tuple[PlannedConnection, ...]:
    """Return what each connection of the run is for; the log says how many there are.

    Args:
        settings: All settings.
        run: Is told of failures, for the error of a run that never connected.
        learn: Takes what must not show in any output. Any thread may call it.

    Raises:
        TapError: When topics cannot be fetched.
    """
    listed = settings.topics.topics
    if listed is None:
        return settings.connections()
    if isinstance(listed, TopicRequest):
        listed = await _fetch(listed, settings, run, learn)
    planned = settings.connections(listed)
    _log(settings, len(set(listed)), planned)
    return planned


def _log(
    settings: Settings,
    listed: int,
    planned: tuple[PlannedConnection, ...],
) -> None:
    messages = sum(
        request.item.message is not None
        for one in planned
        for request in requests(
            settings.subscription.subscribe_messages, settings.topics, one.topics
        )
    )
    _LOGGER.info(
        "Topics: %d listed, %d for %s, on %s, in %s",
        listed,
        sum(len(one.topics) for one in planned),
        settings.topics.shard if settings.topics.shard_count else "this run",
        counted(len(planned), "connection", "connections"),
        counted(messages, "subscribe message", "subscribe messages"),
    )
    if _LOGGER.isEnabledFor(logging.DEBUG):
        for number, one in enumerate(planned, 1):
            _LOGGER.debug("Topics of connection %d: %s", number, ", ".join(one.topics))


async def _fetch(
    request: TopicRequest,
    settings: Settings,
    run: RunState,
    learn: Callable[[Iterable[str]], None],
) -> tuple[str, ...]:
    """Fetch the topics; tried again as a connection is, with `reconnect: true`.

    Raises:
        TapError: When they cannot be had.
    """
    connection, retries = settings.connection, settings.reconnect
    client = HttpClient(
        connection.connect_timeout,
        connection.proxy,
        lambda: make_context(connection.tls),
        Purpose("topic list", "topics", connection.max_message_bytes),
    )
    values = PlaceholderValues(connection.placeholders)
    trusted = TrustedOrigins(settings)

    def fetch() -> tuple[str, ...]:
        filled = request.request.fill_in(values, ConnectionBuiltins().moment())
        return _listed(
            request, send_and_follow(client, filled, trusted=trusted, learn=learn)
        )

    where = log_label(request.url) if has_fixed_origin(request.url) else "its server"
    run.diagnosis.waiting(f"the topic list of {where} has not come")
    attempt = 0
    while True:
        try:
            return await in_thread(fetch)
        except TransientHttpError as error:
            run.diagnosis.failed(str(error))
            if not retries.reconnect:
                msg = f"{error}; reconnect: true would try again"
                raise ConnectionFailed(msg) from error
            attempt += 1
            limit = retries.max_reconnect_attempts
            if limit is not None and attempt > limit:
                retried = counted(limit, "retry", "retries")
                msg = (
                    f"gave up on topics after {retried} "
                    f"(max_reconnect_attempts); the last: {error}"
                )
                raise ConnectionFailed(msg) from error
            if attempt == 1:
                _LOGGER.warning("%s; trying again", error)
            jitter = random.random()  # noqa: S311 - no secret depends on it
            wait = backoff(retries, attempt, jitter)
            await asyncio.sleep(max(error.retry_after, wait))


def _listed(request: TopicRequest, answer: Answer) -> tuple[str, ...]:
    """Return the topics that an answer lists.

    Raises:
        TapError: When there are none: refused, no JSON, no match, or a match that is
            neither a string nor a number.
    """
    if not answer.ok:
        answer.refuse()
    found = answer.search("topics.path", request.path.find)
    if not found:
        msg = (
            f"topics.path: the reply of {answer.where} has nothing at this path; "
            "check the path, and that the request is granted"
        )
        raise ConnectionFailed(msg)
    problem = next(filter(None, map(_problem, found)), None)
    if problem is not None:
        msg = (
            f"topics.path: in the reply of {answer.where} a match is {problem}; a "
            "topic is a string or a number"
        )
        raise ConnectionFailed(msg)
    return tuple(map(text_of, found))


def _problem(value: JsonValue) -> str | None:
    """Return what a match is that is no topic."""
    match value:
        case True | False:
            return "true or false"
        case None:
            return "null"
        case "":
            return "an empty string"
        case list():
            return "an array (add [*] to the path for its items)"
        case dict():
            return "an object (add the name of a field to the path)"
    return None
