"""The feed over a transport without sockets, on a clock that jumps."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, Any

from tap_websocket.errors import FeedError
from tap_websocket.feed.dialer import Dialer
from tap_websocket.feed.feed import Feed
from tap_websocket.feed.inbound import BatchResult, CloseAction
from tap_websocket.network.errors import HandshakeError, HandshakeRefused
from tap_websocket.transports.base import Closing
from tap_websocket.transports.rfc6455 import ABNORMAL
from tests.support import fake_clock
from tests.support.intake import by_hand
from tests.support.receive import make_settings
from tests.support.tap import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from tap_websocket.counts import Counts
    from tap_websocket.feed.inbound import Origin
    from tap_websocket.feed.run_state import Ending
    from tap_websocket.transports.base import Handshake, Listener

__all__ = [
    "FakePeer",
    "FakeRun",
    "Taken",
    "feed_of",
    "numbers",
    "pausing",
    "play",
    "run_feed",
]


class FakePeer:
    """The server's side of one connection attempt, and the client's `Connection`.

    Attributes:
        number: Of the attempt within the run, from 1.
        at: When it began, in seconds of the fake clock.
        handshake: What was asked for.
        sent: What the client has sent.
        writes: How many messages were in each write.
        pings: Payloads of the client's Pings.
        closed_with: Code of the client's Close frame, or None.
        aborted: Whether the client dropped the connection.
        paused: Whether the client reads nothing.
        answers_close: Whether the client's Close frame ends the connection.
    """

    def __init__(self, number: int, handshake: Handshake, listener: Listener) -> None:
        self.number = number
        self.handshake = handshake
        self.sent: list[str | bytes] = []
        self.writes: list[int] = []
        self.pings: list[bytes] = []
        self.closed_with: int | None = None
        self.aborted = False
        self.paused = False
        self.pongs = True
        self.answers_close = True
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self.at = self._loop.time()
        self.ended_at: float | None = None
        self._over = self._loop.create_future()
        self.answered = self._loop.create_future()

    def accept(self) -> None:
        """Answer the upgrade with 101."""
        self.answered.set_result(None)
        self._listener.opened(self)

    @property
    def accepted(self) -> bool:
        return self.answered.done()

    @property
    def open(self) -> bool:
        return self.accepted and not self._over.done()

    def text(self, *texts: str) -> None:
        """Send messages, in one read."""
        if self.open:
            self._listener.messages([text.encode() for text in texts], binary=False)

    def close_frame(self, code: int, reason: str = "") -> None:
        """Close the connection with a code."""
        self._end(Closing(code, reason))

    def drop(self) -> None:
        """Lose the connection."""
        self._end(Closing(ABNORMAL, failure="the connection was reset"))

    def _end(self, closing: Closing) -> None:
        if not self._over.done():
            self._over.set_result(None)
            self.ended_at = self._loop.time()
            self._listener.closed(closing)

    async def wait_closed(self) -> None:
        """Wait for the end of the connection."""
        await asyncio.shield(self._over)

    # What the client calls.

    def send(self, *messages: str | bytes) -> None:
        self.sent += messages
        self.writes.append(len(messages))

    def ping(self, payload: bytes) -> None:
        self.pings.append(payload)
        if self.pongs:
            self._loop.call_soon(self._listener.control, 0xA, payload)

    def close(self, code: int, reason: str = "") -> None:
        del reason
        self.closed_with = code
        if self.answers_close:
            self._loop.call_soon(self._end, Closing(code))

    def abort(self) -> None:
        self.aborted = True
        self._loop.call_soon(self._end, Closing(ABNORMAL))

    def has_unread(self) -> bool:
        return False

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False


class _FakeTransport:
    """Has a script answer each attempt, as a server would."""

    name = "fake"

    def __init__(self, script: Callable[[FakePeer], Coroutine[Any, Any, None]]) -> None:
        self.peers: list[FakePeer] = []
        self.failures: list[BaseException] = []
        self._script = script
        self._tasks: set[asyncio.Task[None]] = set()

    async def connect(self, handshake: Handshake, listener: Listener) -> None:
        """Start the script; return when it has accepted, raise when it has not."""
        peer = FakePeer(len(self.peers) + 1, handshake, listener)
        self.peers.append(peer)
        task = asyncio.create_task(self._script(peer))
        self._tasks.add(task)
        task.add_done_callback(self._played)
        try:
            await asyncio.wait(
                [task, peer.answered], return_when=asyncio.FIRST_COMPLETED
            )
        except asyncio.CancelledError:
            task.cancel()
            raise
        if not peer.accepted:
            task.result()
            raise HandshakeRefused(503, {})

    def _played(self, task: asyncio.Task[None]) -> None:
        """Keep failures of scripts that are no failed handshakes."""
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, HandshakeError):
            self.failures.append(error)


@dataclasses.dataclass
class Taken:
    """A message that reached the records: when, on which connection, and what."""

    at: float
    connection: int
    text: str


@dataclasses.dataclass
class FakeRun:
    """What came of a run."""

    ending: Ending
    counts: Counts
    taken: list[Taken]
    peers: list[FakePeer]
    seconds: float
    records: list[Any]
    summary: str

    @property
    def texts(self) -> list[str]:
        return [taken.text for taken in self.taken]


_DIRECTIVES = {
    "stop": CloseAction.STOP,
    "reconnect": CloseAction.RECONNECT,
    "too big": CloseAction.TOO_BIG,
    "replace": CloseAction.REPLACE,
}


def run_feed(
    script: Callable[[FakePeer], Coroutine[Any, Any, None]],
    *,
    during: Callable[[Feed], Coroutine[Any, Any, None]] | None = None,
    records: bool = False,
    trial: bool = False,
    **given: Any,
) -> FakeRun:
    """Run a feed to its end, in no time.

    Messages are records, but for `stop`, `reconnect`, `replace`, `too big` and `fail`,
    which do what rules and limits do, and `noise`, which is ignored. With `records`
    they go through the stages of a real run, and the run's records are what is taken.

    Args:
        script: Plays the server for each connection attempt.
        records: Whether messages are handled as in a real run.
        during: Runs beside the feed.
        trial: Whether the run is one of `--test`.
        given: Settings of the tap.
    """
    return fake_clock.run(_run(script, during, given, records=records, trial=trial))


async def _run(
    script: Callable[[FakePeer], Coroutine[Any, Any, None]],
    during: Callable[[Feed], Coroutine[Any, Any, None]] | None,
    given: dict[str, Any],
    *,
    records: bool,
    trial: bool,
) -> FakeRun:
    settings = make_settings(**{"max_duration": 3600, **given})
    loop = asyncio.get_running_loop()
    taken: list[Taken] = []
    transport = _FakeTransport(script)

    def handle(
        origin: Origin, payloads: list[bytes], binary: bool, room: int | None
    ) -> BatchResult:
        del binary
        result = BatchResult()
        for payload in payloads:
            text = payload.decode()
            if text == "fail":
                result.error = FeedError("a rule called it fatal")
            elif text in _DIRECTIVES:
                result.directive = _DIRECTIVES[text]
            elif text != "noise" and (room is None or result.messages < room):
                result.messages += 1
                result.records += 1
                taken.append(Taken(loop.time(), origin.number, text))
        return result

    hand = by_hand(settings, clock=loop.time)
    counts = hand.counts
    feed = Feed(
        settings,
        dialer=Dialer(settings, learn=lambda _secrets: None, transport=transport),
        handle=hand.handler.consume if records else handle,
        observer=hand.handler,
        counts=counts,
        max_messages=1 if trial else None,
    )
    beside = loop.create_task(during(feed)) if during is not None else None
    begin = loop.time()
    ending = await feed.run()
    seconds = loop.time() - begin
    summary = counts.summary()
    await feed.close()
    if beside is not None:
        beside.cancel()
    assert not transport.failures, transport.failures
    hand.finish()
    rows = [parse(record) for page in hand.pages for record in page.records()]
    return FakeRun(ending, counts, taken, transport.peers, seconds, rows, summary)


def pausing(
    *, after: float, seconds: float
) -> Callable[[Feed], Coroutine[Any, Any, None]]:
    """Return what pauses reading once, as a target does that loads what it has."""

    async def during(feed: Feed) -> None:
        await asyncio.sleep(after)
        feed.pause()
        await asyncio.sleep(seconds)
        feed.resume()

    return during


def feed_of(messages: int, every: float = 1.0) -> list[tuple[float, str]]:
    """Return numbered messages, each with when it is due, in seconds."""
    return [(n * every + 0.1, f'{{"n": {n}}}') for n in range(messages)]


async def play(peer: FakePeer, messages: list[tuple[float, str]]) -> None:
    """Send what is due from now on, as a live feed does."""
    peer.accept()
    loop = asyncio.get_running_loop()
    for at, text in messages:
        if at >= loop.time():
            await asyncio.sleep(at - loop.time())
            peer.text(text)


def numbers(records: list[Any]) -> list[int]:
    """Return the numbers of such messages."""
    return [record["n"] for record in records]
