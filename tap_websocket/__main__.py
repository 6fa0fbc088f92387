"""The command `tap-websocket`, which is `python -m tap_websocket` too."""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import signal
import sys

__all__ = ["main"]

_STDERR = 2
"""The highest of the descriptors that every process begins with (POSIX)."""


def main() -> None:
    """Run the command line.

    Imports make many objects and hardly any garbage: to look for it while they last
    costs a tenth of the start, and to look through them later costs the run.
    """
    # Before the imports, which take some tenths of a second: a signal that came
    # meanwhile would end in a traceback, and the SDK gives its log to `sys.stderr`.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    _fill_descriptors()
    atexit.register(_give_up_stderr)
    gc.disable()
    from tap_websocket.tap import TapWebSocket  # noqa: PLC0415 - while gc rests

    gc.freeze()
    # A message or a page makes thousands of objects at once and drops them again. To
    # look for cycles among each 700 of them, the default, costs a tenth of the run.
    gc.set_threshold(50_000)
    gc.enable()
    try:
        command = TapWebSocket.cli
    except ValueError as error:
        # The SDK sets its logger up.
        sys.exit(f"TAP_WEBSOCKET_LOGLEVEL, or LOGLEVEL: {error}")
    command()


def _leave(signum: int, frame: object) -> None:
    """End the process at a signal that comes before there is anything to deliver.

    `SystemExit` could get lost in an import that handles errors of its own.
    """
    del signum, frame
    os._exit(0)


def _fill_descriptors() -> None:
    """Open what the parent closed of stdin, stdout and stderr, to nowhere.

    A socket would get the free number, and what is meant for stderr would be sent to
    a server. Python has no `sys.stderr` then, which logging and progress need.
    """
    for descriptor in range(_STDERR + 1):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free number is given out first, so it is this one.
            os.open(os.devnull, os.O_RDWR)
    if sys.stderr is None:
        sys.stderr = os.fdopen(_STDERR, "w", errors="backslashreplace")


def _give_up_stderr() -> None:
    """Let what stderr did not take go nowhere, so that the exit code is the run's.

    Python flushes stderr after this, and ends with 120 where that fails.
    """
    try:
        sys.stderr.flush()
    except (OSError, ValueError):
        # Whoever read it is gone, or it was never open for writing, or is closed.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), _STDERR)


if __name__ == "__main__":
    main()
