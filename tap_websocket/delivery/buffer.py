"""The pages between the loop's thread and the main thread, in memory and on disk."""

from __future__ import annotations

import collections
import threading
from typing import TYPE_CHECKING

from tap_websocket.delivery.spill import Spill, SpilledPage
from tap_websocket.errors import DeliveryError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_websocket.delivery.pages import Page
    from tap_websocket.settings import DeliverySettings

__all__ = ["Buffer"]

_SPILLED_BYTES = 512
"""Memory that a page on disk still takes, as an entry of the list."""

_LOOK_SECONDS = 0.1
"""How often who waits for room looks whether that is of use."""

_MAX_LISTED_BYTES = 32 * 1024 * 1024
"""Memory that all such entries may take beyond `buffer_bytes`."""


class Buffer:
    """Pages on their way from the loop's thread to the main thread, in order.

    Args:
        settings: `buffer_bytes`, `spill_bytes` and `batch_size`.
        on_full: Called in the loop's thread when there is no room any more.
        on_room: Called in the main thread when there is room again.
        on_failure: Called in the loop's thread when the disk fails; what it had to
            take is kept in memory.

    Attributes:
        accepted: Records that were put in since the start of the run.
        delivered: Records that were written; the bridge counts them.
    """

    def __init__(
        self,
        settings: DeliverySettings,
        *,
        on_full: Callable[[], None],
        on_room: Callable[[], None],
        on_failure: Callable[[DeliveryError], None],
    ) -> None:
        self._max_bytes = settings.buffer_bytes
        # `batch_size: 0`: the whole run is one page, so pages are withheld until the
        # run ends or there is no room; then until the buffer is empty once.
        self._withholds = settings.batch_size == 0
        self._withheld = self._withholds
        self._on_full = on_full
        self._on_room = on_room
        self._on_failure = on_failure
        # Set for good by the first failure: the run ends with it.
        self._disk_failed = False
        # Guards everything below. The callbacks are called without it, since they
        # ask the buffer in turn.
        self._changed = threading.Condition()
        # What was not taken yet, the oldest first.
        self._pages: collections.deque[Page | SpilledPage] = collections.deque()
        self._spill = Spill(settings.spill_bytes)
        # Memory of the pages in the list, those on disk with their entry alone.
        self._used = 0
        # From `on_full` until half of the memory is free again.
        self._full = False
        # Set at the end of the run, with the failure that ended it: what is left is
        # taken, then the failure is raised.
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
        """Add a page behind all others; never blocks."""
        error: OSError | None = None
        with self._changed:
            self.accepted += page.count
            entry: Page | SpilledPage = page
            # A page that is larger than all of the memory passes alone.
            fits = not self._pages or self._used + page.size <= self._max_bytes
            if not fits and not self._disk_failed and self._may_spill(page):
                try:
                    entry = self._spill.write(page)
                except OSError as failure:
                    error = failure
                    self._disk_failed = True
            self._pages.append(entry)
            self._used += page.size if entry is page else _SPILLED_BYTES
            room = self._used < self._max_bytes or self._may_spill(page)
            became_full = not room and not self._full
            if became_full:
                self._full = True
                self._withheld = False
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
        """Return whether the disk has room, and memory for the entries of its pages."""
        listed = self._used - self._max_bytes
        return listed < _MAX_LISTED_BYTES and self._spill.has_room(page)

    def _read(self, entry: SpilledPage) -> Page:
        try:
            return self._spill.read(entry)
        except OSError as error:
            msg = (
                f"the disk for spill_bytes failed ({error.strerror or error}), and "
                "records on it are lost; check the disk of the temporary directory"
            )
            raise DeliveryError(msg) from error

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
            self._withheld = False
            self._changed.notify()

    def wait_for_room(self, ended: Callable[[], bool]) -> None:
        """Wait, in neither of the two threads, until reading may go on.

        Args:
            ended: Returns whether it is of no use to wait any longer.
        """
        with self._changed:
            while self._full and not self._closed and not ended():
                self._changed.wait(_LOOK_SECONDS)

    def discard(self) -> None:
        """Drop the pages that nobody will take, and their space on disk."""
        with self._changed:
            self._pages.clear()
            self._spill.close()

    def get(self, timeout: float) -> Page | None:
        """Remove and return the next page, waiting for it where there is none.

        Returns:
            The page, or None when there is none within `timeout` seconds.

        Raises:
            EOFError: After the last page of a run that ended well.
            DeliveryError: When the disk has not what was written to it.
            BaseException: The error of `close`, after the last page.
        """
        with self._changed:
            if not self._pages or self._withheld:
                if self._closed and not self._pages:
                    raise self._error or EOFError
                self._changed.wait(timeout)
                if not self._pages or self._withheld:
                    return None
            entry = self._pages.popleft()
            if isinstance(entry, SpilledPage):
                page = self._read(entry)
                self._used -= _SPILLED_BYTES
            else:
                page = entry
                self._used -= page.size
            if self._withholds and not self._pages and not self._closed:
                self._withheld = True
            # Not at once: with room for a page, reading would start and stop with each.
            room = self._full and self._used <= self._max_bytes // 2
            if room:
                self._full = False
                self._changed.notify_all()
        if room:
            self._on_room()
        return page
