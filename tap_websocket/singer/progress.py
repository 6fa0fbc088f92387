"""One live line on a terminal; nothing where stderr is none."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tap_websocket.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import NoReturn, Self, TextIO

    from tqdm import tqdm

    from tap_websocket.counts import Counts

__all__ = ["Progress"]


class Progress:
    """Shows records, their rate, reconnects and the idle clock while a run goes on.

    Args:
        counts: What the run counts.
        idle_seconds: Returns the seconds since the idle clock was last reset.
        file: Where the line goes, if that is a terminal; stderr when not given.
    """

    def __init__(
        self,
        counts: Counts,
        *,
        idle_seconds: Callable[[], float],
        file: TextIO | None = None,
    ) -> None:
        self._counts = counts
        self._idle_seconds = idle_seconds
        stream = file or sys.stderr
        # None in a process without stderr.
        shown = stream is not None and stream.isatty()
        self._bar = _bar(stream) if shown else None

    def __enter__(self) -> Self:
        """Return the progress line, which is shown from the first update on."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove the line."""
        if self._bar is not None:
            self._bar.close()

    def update(self, records: int = 0) -> None:
        """Show the counts as they are now.

        Args:
            records: Records that were handed on since the last time.
        """
        if self._bar is None:
            return
        idle = max(0.0, self._idle_seconds())
        self._bar.set_postfix_str(
            f"{counted(self._counts.reconnects, 'reconnect', 'reconnects')}, "
            f"idle {idle:.0f} s",
            refresh=False,
        )
        self._bar.update(records)
        if not records:
            self._bar.refresh()


def _bar(stream: TextIO) -> tqdm[NoReturn]:
    from tqdm import tqdm  # noqa: PLC0415 - only a terminal needs it

    return tqdm(
        unit=" records",
        unit_scale=True,
        file=stream,
        leave=False,
        bar_format="{n_fmt}{unit}, {rate_fmt}{postfix}",
    )
