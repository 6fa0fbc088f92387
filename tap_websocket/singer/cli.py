"""The command line: each failure is one line on stderr and exit code 1."""

from __future__ import annotations

import atexit
import logging
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

import click
from singer_sdk.exceptions import ConfigValidationError, MapExpressionError
from singer_sdk.plugin_base import SingerCommand

from tap_websocket.errors import DeliveryError, TapError
from tap_websocket.singer.stdout import send_to_nowhere, unwritable

__all__ = ["TapCommand"]

_SWITCH_SECONDS = 0.001
"""Time until another thread gets the interpreter. While the loop's thread is busy, the
writing one waits for its turn: with Python's own 5 ms pages pile up in memory."""


class TapCommand(SingerCommand):
    """The SDK's command, whose failures are for users.

    `--discover` and `--test` run while the command line is parsed, outside of the
    SDK's own handling of errors, so the net is spread around all of it.
    """

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own
        """Run the command; errors are left to `main`, which logs them once."""
        logging.captureWarnings(capture=True)
        return click.Command.invoke(self, ctx)

    def main(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - click's own
        """Run the command line, and turn a failure into its line and exit code 1."""
        sys.setswitchinterval(_SWITCH_SECONDS)
        atexit.register(_ignore_signals)
        try:
            _check_stdout()
            try:
                return super().main(*args, **kwargs)
            finally:
                _flush_stdout()
        except Exception as error:
            for line in _describe(error):
                self.logger.error(line)  # noqa: TRY400 - a traceback is for debugging
            self.logger.debug("The error came from here", exc_info=error)
        sys.exit(1)


def _check_stdout() -> None:
    """Raise where the parent closed stdout.

    Raises:
        DeliveryError: Before any connection is opened.
    """
    if sys.stdout is None:
        msg = "stdout is closed; leave it open, since the records are written there"
        raise DeliveryError(msg)


def _flush_stdout() -> None:
    """Hand on what was printed, before the exit code says that it was.

    Raises:
        DeliveryError: When it cannot be written: half a catalog is none.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        send_to_nowhere(sys.stdout.fileno())
        raise unwritable(error) from error


def _file_with(text: str) -> str:
    """Return the file of the command line that holds a text."""
    for argument in sys.argv[1:]:
        path = Path(argument.rpartition("=")[2])
        if path.is_file() and path.read_text(errors="replace") == text:
            return str(path)
    return "a file of the command line"


def _ignore_signals() -> None:
    """Ignore signals from now on, so that they do not change the exit code.

    The interpreter's exit removes handlers, and a signal would then kill a run that
    has delivered everything.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


_UNREADABLE: tuple[tuple[type[Exception], str], ...] = (
    (UnicodeDecodeError, "is not UTF-8"),
    (RecursionError, "is nested too deeply"),
    (TypeError, "does not hold a JSON object"),
    (ValueError, "does not hold a JSON object, or numbers of thousands of digits"),
)
"""What the SDK raises where it reads such a file, and what it means."""


def _is_our_own(error: Exception) -> bool:
    """Return whether an error was raised within this package, and not on the way."""
    package = __name__.partition(".")[0]
    frames = traceback.walk_tb(error.__traceback__)
    names = {str(frame.f_globals.get("__name__")) for frame, _ in frames}
    return any(name.startswith(f"{package}.") for name in names - {__name__})


def _describe(error: Exception) -> list[str]:
    """Return what ended the run: a line, or one for each wrong setting."""
    if isinstance(error, ConfigValidationError):
        return list(error.errors)
    if isinstance(error, TapError | MapExpressionError):
        return [str(error)]
    text = getattr(error, "doc", None)
    if isinstance(error, ValueError) and isinstance(text, str):
        return [f"{_file_with(text)}: is not valid JSON: {error}"]
    if not _is_our_own(error):
        for kind, what in _UNREADABLE:
            if isinstance(error, kind):
                return [f"a file of the command line {what}"]
    if isinstance(error, OSError):
        where = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        return [" ".join(where.split())]
    name = type(error).__name__
    where = "LOGLEVEL=DEBUG shows where, for a bug report"
    return [f"an unexpected {name} ended the run; {where}"]
