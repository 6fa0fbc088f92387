"""Settings from the environment, and from a `.env` file in the working directory."""

from __future__ import annotations

import errno
import io
import logging
import os
import stat
from typing import TYPE_CHECKING

from dotenv import dotenv_values

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["DOTENV", "dotenv_settings", "read_dotenv", "settings_in"]

_LOGGER = logging.getLogger("tap-websocket")
DOTENV = ".env"
"""The one file that is read; those of parent folders are somebody else's."""

_MAX_BYTES = 1024 * 1024
"""A larger file is no `.env`."""

_LOGLEVEL = "loglevel"
"""Read by the SDK itself, and no setting."""


def settings_in(
    variables: Mapping[str, str | None],
    prefix: str,
) -> dict[str, str]:
    """Return the settings that variables hold, as texts, by the settings' names.

    Names that are no setting are returned too, for a warning. Those that go on with a
    second underscore are not: Meltano passes its own extras so.

    Args:
        variables: The environment, or a `.env` file.
        prefix: What the names of the variables begin with.
    """
    return {
        name.removeprefix(prefix).lower(): value
        for name, value in variables.items()
        if name.startswith(prefix)
        and not name.startswith(f"{prefix}_")
        and name.removeprefix(prefix).lower() != _LOGLEVEL
        and value is not None
    }


def dotenv_settings(directory: Path, prefix: str) -> dict[str, str]:
    """Return the settings in a folder's `.env` file, and log that it was used.

    A file that cannot be read is left out with a warning: it may be of another
    program.

    Args:
        directory: The folder; its parents are not searched.
        prefix: What the names of the variables begin with.
    """
    try:
        found = settings_in(read_dotenv(directory), prefix)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        _LOGGER.warning("%s is not read: %s", directory / DOTENV, reason)
        return {}
    if found:
        names = ", ".join(sorted(found))
        _LOGGER.info("Settings from %s: %s", directory / DOTENV, names)
    return found


def read_dotenv(directory: Path) -> dict[str, str | None]:
    """Return the variables in a folder's `.env` file; none where there is no file.

    Values are taken as they stand: `${NAME}` is not replaced, since the file would
    otherwise reach into the environment of the whole process.

    Args:
        directory: The folder; its parents are not searched.

    Raises:
        OSError: When the file is there and is no regular file of at most 1 MiB, or
            cannot be read.
        UnicodeDecodeError: When it is not UTF-8.
    """
    path = directory / DOTENV
    try:
        # Without O_NONBLOCK, opening a FIFO waits for a writer that may never come.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return {}
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            # A virtual environment is often called so.
            return {}
        if not stat.S_ISREG(mode):
            msg = "it is not a regular file"
            raise OSError(errno.EINVAL, msg, str(path))
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(_MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(data) > _MAX_BYTES:
        msg = f"it is larger than {_MAX_BYTES} bytes"
        raise OSError(errno.EFBIG, msg, str(path))
    text = io.StringIO(data.decode("utf-8-sig"))
    return dotenv_values(stream=text, interpolate=False)
