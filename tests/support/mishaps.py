"""What goes wrong with a feed, played in front of its server's part."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.support.recipes import hear, play, say
from tests.support.servers import Peer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.support.recipes import Outcome, Recipe

    Script = Callable[[Peer], Awaitable[object]]

__all__ = ["answer", "first", "hears", "play_after", "play_with_drops", "refuse"]

_ENDINGS = (None, 1001, 1011, 1013)
"""How connections are cut off, in turn: by a reset, and as servers close that go away,
fail, or are too busy."""


def play_with_drops(
    given: Recipe, subscribed: Script, script: Script, **options: Any
) -> Outcome:
    """Run a recipe against a server that is unwell before it plays its part.

    It refuses two handshakes for now, then cuts the subscription off at each of its
    steps.

    Args:
        given: The recipe.
        subscribed: Plays the server's part up to the end of the subscription.
        script: Plays it from the start, on the connections that follow.
        options: Those of `play`.
    """
    quick = {"reconnect_backoff": 0.05, "reconnect_backoff_max": 0.05}
    return play(
        given,
        _cut_off(subscribed, script),
        refuse=_Refusals(503, 429),
        **(quick | options),
    )


def play_after(given: Recipe, mishap: Script, script: Script, **options: Any) -> None:
    """Assert that a recipe gives what its page shows after a mishap at the start.

    Args:
        given: The recipe.
        mishap: Plays on the first connection; the client has to leave it.
        script: Plays on all others, counted from 1 again.
        options: Those of `play`.
    """
    run = play(given, first(mishap, script), **({"reconnect_backoff": 0.1} | options))
    run.gives(given.tables)


def first(mishap: Script, script: Script) -> Script:
    """Return a script that plays a mishap on the first connection.

    Those that follow are counted from 1 again, for the other script.

    Args:
        mishap: Plays on the first connection; the client has to leave it.
        script: Plays on all others.
    """

    async def played(peer: Peer) -> None:
        if peer.number == 1:
            await mishap(peer)
            await peer.wait()
            return
        peer.number -= 1
        await script(peer)

    return played


def answer(subscribed: Script, *messages: str) -> Script:
    """Return a script that sends messages behind the subscription, and waits."""

    async def played(peer: Peer) -> None:
        await subscribed(peer)
        await say(peer, *messages)
        await peer.wait()

    return played


def refuse(subscribed: Script, failure: str, *before: str) -> Script:
    """Return a script that refuses the subscription, and waits.

    Args:
        subscribed: Plays the server's part up to the refusal.
        failure: The error of a page, which ends with the feed's own words.
        before: What is sent in front of these.
    """
    _, ends_with_words, words = failure.partition("fatal: ")
    assert ends_with_words, failure
    return answer(subscribed, *before, words)


async def hears(peer: Peer) -> None:
    """Receive a message, whatever it says."""
    await hear(peer)


def _cut_off(subscribed: Script, script: Script) -> Script:
    """Return a script that cuts the subscription off at each of its steps.

    The first connection ends before its first message in either direction, the second
    one before the next, and so on, until one was subscribed as a whole and ends then.
    Those that follow are counted from 1 again, for the other script.

    Args:
        subscribed: Plays the server's part up to the end of the subscription.
        script: Plays it from the start, on connections that are not cut off.
    """
    cut = 0
    whole = asyncio.Event()

    async def played(peer: Peer) -> None:
        nonlocal cut
        if whole.is_set():
            peer.number -= cut
            await script(peer)
            return
        cut += 1
        short = _ShortPeer(peer, steps=cut - 1)
        with contextlib.suppress(_CutOff):
            await subscribed(short)
            whole.set()
            # A reset throws away what is not read yet.
            await peer.all_read()
        await _end(peer, _ENDINGS[cut % len(_ENDINGS)])

    return played


async def _end(peer: Peer, code: int | None) -> None:
    if code is None:
        await peer.reset()
    else:
        await peer.close(code)


class _CutOff(Exception):
    """The steps of the connection are used up."""


class _ShortPeer(Peer):
    """The server's end of a connection that takes a number of steps."""

    def __init__(self, peer: Peer, steps: int) -> None:
        super().__init__(peer.number, peer.path, peer.headers)
        self.received = peer.received
        self._peer = peer
        self._left = steps

    def _step(self) -> None:
        if not self._left:
            raise _CutOff
        self._left -= 1

    async def send(self, message: str | bytes) -> None:
        self._step()
        await self._peer.send(message)

    async def recv(self) -> str | bytes:
        self._step()
        return await self._peer.recv()

    async def ping(self) -> None:
        self._step()
        await self._peer.ping()

    async def all_read(self) -> None:
        await self._peer.all_read()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self._peer.close(code, reason)

    async def reset(self) -> None:
        await self._peer.reset()


class _Refusals:
    """Refuses the first handshakes."""

    def __init__(self, *statuses: int) -> None:
        self._statuses = list(statuses)

    def __call__(self, _: web.Request) -> web.StreamResponse | None:
        if not self._statuses:
            return None
        return web.Response(status=self._statuses.pop(0), headers={"Retry-After": "0"})
