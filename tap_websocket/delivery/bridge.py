"""The sync bridge: an event loop in a thread of its own, and pages across to here.

Receiving never waits for writing until memory (`buffer_bytes`) and disk
(`spill_bytes`) are used up; then reading pauses, and TCP holds the server back.
There is one wake-up for each page and none for a message.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING, Protocol

from tap_websocket.delivery.buffer import Buffer
from tap_websocket.logs import LogThrottle
from tap_websocket.transports.rfc6455 import GOING_AWAY, NORMAL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_websocket.delivery.pages import Page
    from tap_websocket.errors import DeliveryError
    from tap_websocket.settings import DeliverySettings

__all__ = ["Bridge", "Receiver", "Runner"]

_LOGGER = logging.getLogger("tap-websocket")
_POLL_SECONDS = 0.5
"""How often a wait for a page looks after the target and the progress line."""

_PAUSE_LOG_SECONDS = 60.0
"""Time between two log lines about pauses, at least."""


class Receiver(Protocol):
    """What receives messages, and is told by the bridge to stop or to wait."""

    def stop(self, reason: str, close_code: int) -> None:
        """End the run; everything received is still delivered."""

    def skip_close_handshake(self) -> None:
        """Do not wait for servers any more."""

    def fail(self, reason: str, error: Exception) -> None:
        """End the run with an error, after everything received was delivered."""

    def pause(self) -> None:
        """Stop reading from the network."""

    def resume(self) -> None:
        """Read from the network again."""


class Runner(Protocol):
    """What runs in the loop's thread."""

    @property
    def feed(self) -> Receiver:
        """What receives."""

    async def run(self) -> None:
        """Receive until the run ends, putting pages into the buffer."""


class Bridge:
    """Runs a `Runner` in a thread of its own and hands out its pages here.

    Args:
        settings: `buffer_bytes`, `spill_bytes` and `batch_size`.
        make_loop: Makes the event loop.

    Attributes:
        buffer: The pages that were received and not yet handed out.
    """

    def __init__(
        self,
        settings: DeliverySettings,
        *,
        make_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
    ) -> None:
        self._make_loop = make_loop
        # None before the loop runs and after it has ended.
        self._loop: asyncio.AbstractEventLoop | None = None
        # None before the loop runs.
        self._runner: Runner | None = None
        self._thread: threading.Thread | None = None
        # Reason and close code of a `stop`, for a runner that is only made after it.
        self._stopping: tuple[str, int] | None = None
        # A target that is a little too slow makes reading pause many times a second.
        self._pause_log = LogThrottle(_PAUSE_LOG_SECONDS, level=logging.INFO)
        # Whether the pause that is on was logged, so that its end is to be.
        self._pause_logged = False
        self.buffer = Buffer(
            settings,
            on_full=self._pause,
            on_room=self._resume,
            on_failure=self._fail,
        )

    def start(self, make_runner: Callable[[Buffer], Runner]) -> None:
        """Start the loop's thread.

        Args:
            make_runner: Called in that thread, within the running loop.
        """
        self._thread = threading.Thread(
            target=self._main,
            args=(make_runner,),
            name="tap-websocket-loop",
            daemon=True,
        )
        self._thread.start()

    def _main(self, make_runner: Callable[[Buffer], Runner]) -> None:
        error: BaseException | None = None
        try:
            with asyncio.Runner(loop_factory=self._make_loop) as runner:
                runner.run(self._run(make_runner))
        except BaseException as failure:  # noqa: BLE001 - raised in the main thread
            error = failure
        finally:
            self._loop = None
            self.buffer.close(error)

    async def _run(self, make_runner: Callable[[Buffer], Runner]) -> None:
        runner = make_runner(self.buffer)
        self._loop = asyncio.get_running_loop()
        self._runner = runner
        if self._stopping is not None:
            runner.feed.stop(*self._stopping)
        await runner.run()

    def _pause(self) -> None:
        if threading.current_thread() is not self._thread:
            # A large message is worked on beside the loop.
            self._call(lambda _: self._pause())
        elif self._runner is not None and self.buffer.is_full:
            self._pause_logged = self._pause_log(
                _LOGGER,
                "The target is slower than the feed and the buffer is full; reading "
                "pauses until it has caught up",
            )
            self._runner.feed.pause()

    def _fail(self, error: DeliveryError) -> None:
        if threading.current_thread() is not self._thread:
            self._call(lambda _: self._fail(error))
        elif self._runner is not None:
            self._runner.feed.fail("records could not be kept", error)

    def _resume(self) -> None:
        self._call(self._resume_if_room)

    def _resume_if_room(self, runner: Runner) -> None:
        """Read again, unless the buffer has been filled again meanwhile."""
        if not self.buffer.is_full:
            if self._pause_logged:
                # Another thread may fill the buffer, and it be emptied, before the loop
                # hears of it: no pause was logged then.
                self._pause_logged = False
                _LOGGER.info("The target has caught up; reading resumes")
            runner.feed.resume()

    def _call(self, act: Callable[[Runner], None]) -> None:
        """Call the runner in the loop's thread; do nothing where none is running.

        A signal's handler comes here, so no lock may be waited for.
        """
        loop, runner = self._loop, self._runner
        if loop is not None and runner is not None:
            try:
                loop.call_soon_threadsafe(act, runner)
            except RuntimeError:
                # The loop was closed since it was looked up.
                _LOGGER.debug("The run had ended already")

    def stop(self, reason: str, *, close_code: int = GOING_AWAY) -> None:
        """End the run from any thread, or from a signal's handler in the main one.

        Args:
            reason: In a few words, for the log.
            close_code: What open connections are closed with (RFC 6455, 7.4.1).
        """
        # Kept first: a runner that is not known yet looks for it when it is.
        self._stopping = reason, close_code
        self._call(lambda runner: runner.feed.stop(reason, close_code))

    @property
    def failure(self) -> BaseException | None:
        """The error that ended the run, or None while it goes on."""
        return self.buffer.failure

    def pages(self, alive: Callable[[], None] = lambda: None) -> Iterator[Page]:
        """Hand out the pages as they come, until the run ends.

        Each page counts as delivered when the next one is asked for.

        Args:
            alive: Called now and then while there is nothing to hand out; it may
                raise, to end the wait.

        Raises:
            TapError: The failure that ended the run, after the last page.
        """
        while True:
            try:
                page = self.buffer.get(_POLL_SECONDS)
            except EOFError:
                return
            if page is None:
                alive()
                continue
            yield page
            self.buffer.delivered += page.count

    def skip_close_handshake(self) -> None:
        """Wait for no server when the bridge is closed: nobody takes pages."""
        self._call(lambda runner: runner.feed.skip_close_handshake())

    def close(self, reason: str) -> None:
        """Stop the run and wait for the loop's thread; pages not taken are lost.

        Args:
            reason: In a few words, for the log of a run that goes on.
        """
        self.stop(reason, close_code=NORMAL)
        if self._thread is not None:
            self._thread.join()
        self.buffer.discard()
