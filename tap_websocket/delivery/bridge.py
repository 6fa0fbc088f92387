"""The sync bridge: an event loop in a thread of its own, and pages across to here.

Receiving never waits for writing until memory (`buffer_bytes`) and disk
(`spill_bytes`) are used up; then reading pauses, and TCP holds the server back.
There is one wake-up for each page and none for a message.
"""

from __future__ import annotations

import asyncio
import collections
import logging
import threading
from typing import TYPE_CHECKING, Protocol

from tap_websocket.delivery.spill import Spill, SpilledPage
from tap_websocket.errors import DeliveryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_websocket.delivery.pages import Page
    from tap_websocket.settings import DeliverySettings

__all__ = ["Bridge", "Buffer", "Runner"]

_LOGGER = logging.getLogger("tap-websocket.bridge")
_POLL_SECONDS = 0.5
_SPILLED_BYTES = 512
_MOST_LISTED_BYTES = 32 * 1024 * 1024
"""Memory that a page on disk still takes, and that all of them may."""


class Buffer:
    """Pages on their way from the loop's thread to the main thread, in order."""

    def __init__(
        self,
        settings: DeliverySettings,
        *,
        on_full: Callable[[], None],
        on_room: Callable[[], None],
        on_failure: Callable[[DeliveryError], None],
    ) -> None:
        """Make an empty buffer.

        Args:
            settings: `buffer_bytes`, `spill_bytes` and `batch_size`.
            on_full: Called in the loop's thread when there is no room any more.
            on_room: Called in the main thread when there is room again.
            on_failure: Called in the loop's thread when the disk fails; what it had
                to take is kept in memory.
        """
        self._most = settings.buffer_bytes
        self._hold = settings.batch_size == 0
        self._held = self._hold
        self._on_full = on_full
        self._on_room = on_room
        self._on_failure = on_failure
        self._disk_failed = False
        self._changed = threading.Condition()
        self._pages: collections.deque[Page | SpilledPage] = collections.deque()
        self._spill = Spill(settings.spill_bytes)
        self._used = 0
        self._full = False
        self._closed = False
        self._error: BaseException | None = None
        self.accepted = 0
        self.delivered = 0

    @property
    def undelivered(self) -> int:
        """Number of records that were received and not yet written."""
        return self.accepted - self.delivered

    @property
    def is_full(self) -> bool:
        """Whether reading has to wait for the target."""
        with self._changed:
            return self._full

    def put(self, page: Page) -> None:
        """Take a page; never blocks."""
        error: OSError | None = None
        with self._changed:
            self.accepted += page.count
            entry: Page | SpilledPage = page
            fits = not self._pages or self._used + page.size <= self._most
            if not fits and not self._disk_failed and self._may_spill(page):
                try:
                    entry = self._spill.write(page)
                except OSError as failure:
                    error = failure
                    self._disk_failed = True
            self._pages.append(entry)
            self._used += page.size if entry is page else _SPILLED_BYTES
            room = self._used < self._most or self._may_spill(page)
            became_full = not room and not self._full
            if became_full:
                self._full = True
                self._held = False
            self._changed.notify()
        if became_full:
            self._on_full()
        if error is not None:
            msg = (
                f"the disk for spill_bytes failed ({error.strerror}); free space "
                "in the temporary directory, or set spill_bytes lower"
            )
            self._on_failure(DeliveryError(msg))

    def _may_spill(self, page: Page) -> bool:
        """Tell whether the disk has room, and memory for what is known of its pages."""
        listed = self._used - self._most
        return listed < _MOST_LISTED_BYTES and self._spill.has_room(page)

    @property
    def failure(self) -> BaseException | None:
        """The error that ended the run, whatever is still to be handed out."""
        return self._error

    def close(self, error: BaseException | None = None) -> None:
        """End the pages; the error is raised behind the last one.

        The first call decides.
        """
        with self._changed:
            if not self._closed:
                self._closed = True
                self._error = error
            self._held = False
            self._changed.notify()

    def discard(self) -> None:
        """Drop the pages that nobody will take, and their space on disk."""
        with self._changed:
            self._pages.clear()
            self._spill.close()

    def get(self, timeout: float) -> Page | None:
        """Wait for the next page and take it.

        Returns:
            The page, or None when there is none within `timeout` seconds.

        Raises:
            EOFError: After the last page of a run that ended well.
            BaseException: The error of `close`, after the last page.
        """
        with self._changed:
            if not self._pages or self._held:
                if self._closed and not self._pages:
                    raise self._error or EOFError
                self._changed.wait(timeout)
                if not self._pages or self._held:
                    return None
            entry = self._pages.popleft()
            if isinstance(entry, SpilledPage):
                page = self._spill.read(entry)
                self._used -= _SPILLED_BYTES
            else:
                page = entry
                self._used -= page.size
            if self._hold and not self._pages and not self._closed:
                self._held = True
            room = self._full and self._used <= self._most // 2
            if room:
                self._full = False
        if room:
            self._on_room()
        return page


class Runner(Protocol):
    """What runs in the loop's thread."""

    async def run(self) -> None:
        """Receive until the run ends, putting pages into the buffer."""

    def stop(self, reason: str) -> None:
        """End the run; everything received is still delivered."""

    def skip_close_handshake(self) -> None:
        """Do not wait for servers any more."""

    def fail(self, error: Exception) -> None:
        """End the run with an error, after everything received was delivered."""

    def pause(self) -> None:
        """Stop reading from the network."""

    def resume(self) -> None:
        """Read from the network again."""


class Bridge:
    """Runs a `Runner` in a thread of its own and hands out its pages here."""

    def __init__(self, settings: DeliverySettings) -> None:
        """Make a bridge that is not running yet."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._runner: Runner | None = None
        self._thread: threading.Thread | None = None
        self._stopping: str | None = None
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
            asyncio.run(self._run(make_runner))
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
            runner.stop(self._stopping)
        await runner.run()

    def _pause(self) -> None:
        if self._runner is not None:
            _LOGGER.info(
                "The target is slower than the feed and the buffer is full; reading "
                "pauses until it has caught up",
            )
            self._runner.pause()

    def _fail(self, error: DeliveryError) -> None:
        if self._runner is not None:
            self._runner.fail(error)

    def _resume(self) -> None:
        self._call(self._resume_if_room)

    def _resume_if_room(self, runner: Runner) -> None:
        """Read again, unless the buffer is full by now: it was filled meanwhile."""
        if not self.buffer.is_full:
            _LOGGER.info("The target has caught up; reading resumes")
            runner.resume()

    def _call(self, act: Callable[[Runner], None]) -> None:
        """Let the loop's thread do something; a signal's handler may wait for no lock.

        Before the runner is known, and after its end, there is nothing to be done.
        """
        loop, runner = self._loop, self._runner
        if loop is not None and runner is not None:
            try:
                loop.call_soon_threadsafe(act, runner)
            except RuntimeError:
                _LOGGER.debug("The run had ended already")

    def stop(self, reason: str) -> None:
        """End the run from any thread, or from a signal's handler in the main one."""
        # Kept first: a runner that is not known yet looks for it when it is.
        self._stopping = reason
        self._call(lambda runner: runner.stop(reason))

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
        self._call(lambda runner: runner.skip_close_handshake())

    def close(self) -> None:
        """Stop the run and wait for the loop's thread; pages not taken are lost."""
        self.stop("closed")
        if self._thread is not None:
            self._thread.join()
        self.buffer.discard()
