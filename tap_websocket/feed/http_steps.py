"""Steps over HTTP on one connection: in their place, and repeated while it lasts."""

from __future__ import annotations

import asyncio
import collections
import functools
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from tap_websocket.errors import TapError
from tap_websocket.feed.http_redirects import send_and_follow
from tap_websocket.feed.threads import in_thread
from tap_websocket.feed.trust import TrustedOrigins, without_credentials
from tap_websocket.http.answer import NoValue, Purpose, TransientHttpError
from tap_websocket.http.client import HttpClient
from tap_websocket.network.errors import REFUSES_CREDENTIALS
from tap_websocket.network.tls import make_context
from tap_websocket.network.urls import log_label

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping

    from tap_websocket.expressions.placeholders import (
        ConnectionBuiltins,
        PlaceholderValues,
    )
    from tap_websocket.feed.body_room import BodyRoom
    from tap_websocket.http.answer import Answer
    from tap_websocket.http.request import FilledRequest
    from tap_websocket.settings import Item, Settings
    from tap_websocket.settings.http_step import HttpStep

__all__ = ["HttpSteps", "StepHost", "StepRequest"]

_RETRY_SECONDS = 1.0
"""Between two tries of a repetition that failed; halved where it is due sooner."""


class StepHost(Protocol):
    """What steps ask of their connection."""

    @property
    def body_room(self) -> BodyRoom:
        """For replies that came while reading was paused."""

    def deliver(self, body: bytes) -> None:
        """Take a reply as a text message of the connection."""

    def capture(self, found: Mapping[str, Any]) -> None:
        """Keep values of a reply as placeholders; they are secrets."""

    def learn(self, secrets: Iterable[str]) -> None:
        """Mask these texts in all output from now on."""

    def give_up(self, reason: str, retry_after: float = 0.0) -> None:
        """Drop the connection; wait this many seconds at least before the next."""

    def fail(self, error: Exception) -> None:
        """End the run, or the connection where another one is up."""

    async def refresh_credentials(self) -> bool:
        """Replace credentials that were refused; return whether there are others."""


class StepRequest(NamedTuple):
    """A request of one item.

    Attributes:
        item: The item that it stands in.
        step: What is asked, and what of the reply is taken.
        own: The item's own values of placeholders (`{topic}`).
    """

    item: Item
    step: HttpStep
    own: Mapping[str, Any]


class HttpSteps:
    """Makes the requests of one connection, one at a time for each item.

    Args:
        settings: All settings: proxy, trust, trusted origins, the longest message.
        values: The values of placeholders.
        builtins: Makes the placeholders that are always there.
        host: Takes what comes of them.
    """

    def __init__(
        self,
        settings: Settings,
        values: PlaceholderValues,
        builtins: ConnectionBuiltins,
        host: StepHost,
    ) -> None:
        self._settings = settings
        self._values = values
        self._builtins = builtins
        self._host = host
        # One for each item, by its place. A client is used by one thread at a time,
        # and the requests of several topics may be repeated at once.
        self._clients: dict[str, tuple[HttpClient, asyncio.Lock]] = {}
        # Everything that is under way; cancelled when the connection ends.
        self._tasks: set[asyncio.Task[None]] = set()
        # Bodies that came while reading was paused, until it is resumed or over.
        self._waiting: collections.deque[bytes] = collections.deque()
        self._paused = False

    def perform(self, request: StepRequest, done: Callable[[], None]) -> None:
        """Begin with a request.

        Args:
            request: What is asked.
            done: Called when the reply was taken.
        """
        self._start(self._first(request, done))

    def stop(self) -> None:
        """Abandon what is under way: the connection is over."""
        for task in self._tasks:
            task.cancel()

    def pause(self) -> None:
        """Keep bodies back, as reading is paused."""
        self._paused = True

    def resume(self) -> None:
        """Deliver the bodies that were kept back."""
        self._paused = False
        while self._waiting and not self._paused:
            # It may fill the buffer, and so pause again.
            self._deliver_next()

    def flush(self) -> None:
        """Deliver the bodies that were kept back, though reading is paused still."""
        while self._waiting:
            self._deliver_next()

    def _deliver_next(self) -> None:
        body = self._waiting.popleft()
        self._host.body_room.give_back(len(body))
        self._host.deliver(body)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _first(self, request: StepRequest, done: Callable[[], None]) -> None:
        try:
            await self._exchange(request, may_refresh=True)
        except TransientHttpError as error:
            self._host.give_up(str(error), error.retry_after)
        except NoValue as error:
            self._host.give_up(str(error))
        except Exception as error:  # noqa: BLE001 - raised in the main thread
            self._host.fail(error)
        else:
            if request.step.every is not None:
                self._start(self._repeat(request, request.step.every))
            done()

    async def _repeat(self, request: StepRequest, every: float) -> None:
        """Make a request again and again: a listen key that must be kept alive.

        One that fails in a way that may pass is tried again until the next is due.
        """
        loop = asyncio.get_running_loop()
        due = loop.time() + every
        while True:
            await asyncio.sleep(max(due - loop.time(), 0))
            # Those that a slow one left no time for are not made up for: a server that
            # counts requests would refuse so many at once.
            due = max(due, loop.time()) + every
            while True:
                try:
                    await self._exchange(request)
                except TransientHttpError as error:
                    wait = max(error.retry_after, min(_RETRY_SECONDS, every / 2))
                    if loop.time() + wait >= due:
                        self._host.give_up(str(error), error.retry_after)
                        return
                    await asyncio.sleep(wait)
                except TapError as error:
                    self._host.give_up(str(error))
                    return
                except Exception as error:  # noqa: BLE001 - raised in the main thread
                    self._host.fail(error)
                    return
                else:
                    break

    async def _exchange(
        self, request: StepRequest, *, may_refresh: bool = False
    ) -> None:
        """Make a request and take its reply.

        Args:
            request: What is asked.
            may_refresh: Refused credentials are replaced, and the request is made once
                more, as with handshakes.

        Raises:
            TransientHttpError: When another try may succeed.
            TapError: When it cannot.
        """
        answer = await self._send(request)
        if (
            may_refresh
            and answer.status in REFUSES_CREDENTIALS
            and await self._host.refresh_credentials()
        ):
            answer = await self._send(request)
        if not answer.ok:
            answer.refuse(f"check {request.item.where}")
        self._take(request, answer)

    async def _send(self, request: StepRequest) -> Answer:
        client, lock = self._client(request.item)
        async with lock:
            if request.step.records:
                await self._host.body_room.wait()
            filled = self._filled(request)
            return await in_thread(
                lambda: send_and_follow(
                    client, filled, trusted=self._trusted, learn=self._host.learn
                )
            )

    def _filled(self, request: StepRequest) -> FilledRequest:
        """Return what is sent now; to an origin that is not trusted, no credentials."""
        moment = self._builtins.moment()
        values = self._values.at(moment, request.own)
        filled = request.step.request.fill_in(values, moment)
        if not self._trusted.has_requested(
            filled.url, request.step.request, self._values, request.own, moment
        ):
            headers = without_credentials(filled.headers, log_label(filled.url))
            filled = filled._replace(headers=headers)
        return filled

    @functools.cached_property
    def _trusted(self) -> TrustedOrigins:
        """Where redirects may take headers and bodies."""
        return TrustedOrigins(self._settings)

    def _client(self, item: Item) -> tuple[HttpClient, asyncio.Lock]:
        settings = self._settings.connection
        if item.where not in self._clients:
            client = HttpClient(
                item.reply_timeout,
                settings.proxy,
                lambda: make_context(settings.tls),
                Purpose(
                    "subscription",
                    f"{item.where}.request",
                    settings.max_message_bytes,
                    "reply_timeout",
                ),
            )
            self._clients[item.where] = client, asyncio.Lock()
        return self._clients[item.where]

    def _take(self, request: StepRequest, answer: Answer) -> None:
        """Take a reply: its values, and its body as a message.

        Raises:
            NoValue: When a path of `values` finds nothing.
            CredentialError: When it is no JSON, and there are values to be found.
        """
        step = request.step
        if step.values:
            where = f"{request.item.where}.values"
            self._host.capture(answer.values(where, step.values))
        if step.records:
            if self._paused:
                self._waiting.append(answer.body)
                self._host.body_room.take(len(answer.body))
            else:
                self._host.deliver(answer.body)
