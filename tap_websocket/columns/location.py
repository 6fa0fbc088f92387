"""A file that several runs read and write at once, local or in a store of objects.

A reader finds the old bytes or the new ones, never a mixture, and no writer undoes what
another one wrote. On a local path a lock of the operating system and a rename see to
that; elsewhere the store does, where it writes on a condition.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tap_websocket.errors import LocationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Change = Callable[[bytes | None], bytes | None]
    """Returns the file's new bytes for its present ones; None leaves it as it is.

    The present bytes are None where there is no file. It may be called several times.
    """

__all__ = ["LocalFile", "Location", "StoredObject", "is_conditional", "open_location"]

_LOCK_SECONDS = 10.0
"""Longest wait for another process that writes."""

_POLL_SECONDS = 0.02
"""Time between two tries to get the lock."""

_LOCAL = frozenset({"file", "local"})
_CONDITIONAL = frozenset({"s3", "s3a"})

_MAX_BYTES = 64 * 1024 * 1024
"""A schema of a thousand columns takes 100 KiB; this is some other file."""


class Location(Protocol):
    """A file that is read and written as a whole.

    Attributes:
        is_conditional: Whether two writers at once cannot undo each other's change.
    """

    is_conditional: bool

    def check(self) -> None:
        """Find out, without a change to the file, whether it can be written.

        Raises:
            LocationError: When it cannot.
        """

    def read(self) -> bytes | None:
        """Return the file's bytes, or None where there is no file.

        Raises:
            LocationError: When it cannot be read.
        """

    def update(self, change: Change) -> None:
        """Replace the file's bytes by what a function makes of them.

        Raises:
            LocationError: When it cannot be read or written.
        """


def is_conditional(url: str) -> bool:
    """Return whether two writers of a location cannot undo each other's change."""
    scheme, separator, _ = url.partition("://")
    return not separator or scheme in _LOCAL | _CONDITIONAL


def open_location(url: str) -> Location:
    """Return the location that the setting `schema_location` names.

    Args:
        url: A local path, or a URL as fsspec takes it (`s3://…`).

    Raises:
        LocationError: When nothing that is installed reads such URLs.
    """
    scheme, separator, path = url.partition("://")
    if "\0" in url:
        msg = f"schema_location: {url!r} is no path: it has a NUL character"
        raise LocationError(msg)
    if not separator:
        return LocalFile(Path(url))
    if scheme in _LOCAL:
        return LocalFile(Path(path))
    return StoredObject(url)


class LocalFile:
    """A file on a local path.

    Writers take turns by a lock on `PATH.lock`, which stays there: a lock on the file
    itself would be lost with each rename.

    Args:
        path: The file. A symbolic link is followed and stays.
        lock_seconds: Longest wait for the lock.
    """

    is_conditional = True

    def __init__(self, path: Path, lock_seconds: float = _LOCK_SECONDS) -> None:
        self._given = path
        # A rename onto a link would replace the link.
        self._path = Path(os.path.realpath(os.path.expanduser(path)))  # noqa: PTH111 - raises nothing
        self._lock_seconds = lock_seconds

    def check(self) -> None:
        """Take the lock once, which writes beside the file."""
        if not self._path.parent.is_dir():
            msg = (
                f"schema_location: the folder of {str(self._given)!r} does not exist; "
                "create it, or name a file in another one"
            )
            raise LocationError(msg)
        with self._locked():
            if not os.access(self._path.parent, os.W_OK | os.X_OK):
                raise self._error(what="written", why="its folder is read-only")

    def read(self) -> bytes | None:
        """Return the file's bytes, or None where there is no file."""
        try:
            # Without O_NONBLOCK the open of a pipe would wait for a writer for ever.
            handle = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise self._error(what="read", why=error) from error
        try:
            with open(handle, "rb") as file:  # noqa: PTH123 - a file descriptor
                status = os.fstat(handle)
                if not stat.S_ISREG(status.st_mode):
                    raise self._error(what="read", why="it is no regular file")
                if status.st_size > _MAX_BYTES:
                    raise self._error(what="read", why="it is too large for a schema")
                return file.read()
        except OSError as error:
            raise self._error(what="read", why=error) from error

    def update(self, change: Change) -> None:
        """Replace the file's bytes under the lock, by a rename."""
        with self._locked():
            data = change(self.read())
            if data is not None:
                try:
                    self._replace(data)
                except OSError as error:
                    raise self._error(what="written", why=error) from error

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock, which the system gives back when the process is killed."""
        # Imported here: with all that it imports it is the dearest part of the start.
        from filelock import FileLock, Timeout  # noqa: PLC0415

        lock = FileLock(
            f"{self._path}.lock",
            timeout=self._lock_seconds,
            poll_interval=_POLL_SECONDS,
            # filelock's own marker file would outlive a killed process.
            fallback_to_soft=False,
        )
        try:
            lock.acquire()
        except Timeout as error:
            what = f"another process has held its lock for {self._lock_seconds:g} s"
            raise self._error(what="written", why=what) from error
        except (OSError, ValueError, NotImplementedError) as error:
            raise self._error(what="written", why=error) from error
        try:
            yield
        finally:
            lock.release()

    def _replace(self, data: bytes) -> None:
        # One name for all: the lock's holder finds what a killed process left, and
        # writes over it.
        temporary = self._path.with_name(f".{self._path.name}.tmp")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(temporary, flags, 0o666)
        with open(handle, "wb") as file:  # noqa: PTH123 - a file descriptor
            with contextlib.suppress(FileNotFoundError):
                os.fchmod(handle, stat.S_IMODE(self._path.stat().st_mode))
            file.write(data)
            file.flush()
            # Without it a crash of the machine could leave the new name and no bytes.
            os.fsync(handle)
        temporary.replace(self._path)
        _sync_directory(self._path.parent)

    def _error(self, *, what: str, why: object) -> LocationError:
        if isinstance(why, OSError) and why.strerror:
            why = why.strerror
        msg = f"schema_location: {str(self._given)!r} cannot be {what}: {why}"
        return LocationError(msg)


def _sync_directory(path: Path) -> None:
    """Make a rename last through a crash of the machine, where the system can."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        # Some file systems know no fsync of directories; the rename itself was done.
        with contextlib.suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)


class StoredObject:
    """A file wherever fsspec reaches.

    S3 writes on the condition that the object is still the one that was read
    (`If-Match`, `If-None-Match`); through fsspec no other store can be asked to.

    Args:
        url: What fsspec takes.
        retry_seconds: How long a write is tried again that another one came before.

    Raises:
        LocationError: When the URL's scheme is unknown, or its package not installed.
    """

    def __init__(self, url: str, retry_seconds: float = _LOCK_SECONDS) -> None:
        # Half a second that a local path need not pay for.
        from fsspec.core import url_to_fs  # noqa: PLC0415

        self._label = _without_credentials(url)
        self._retry_seconds = retry_seconds
        self.is_conditional = is_conditional(url)
        try:
            self._files, self._path = url_to_fs(
                url, **(_S3_OPTIONS if self.is_conditional else {})
            )
        except (ImportError, ValueError) as error:
            msg = f"schema_location: {self._label!r} cannot be opened: {_line(error)}"
            raise LocationError(msg) from error

    def check(self) -> None:
        """Do nothing: whether an object can be written shows when it is."""

    def read(self) -> bytes | None:
        """Return the object's bytes, or None where there is none."""
        return self._read()[0]

    def update(self, change: Change) -> None:
        """Replace the object, again and again until no other writer came before."""
        end = time.monotonic() + self._retry_seconds
        while True:
            present, version = self._read()
            data = change(present)
            if data is None or self._write(data, version):
                return
            if time.monotonic() > end:
                raise self._error(
                    what="written", why="other runs write it all the time"
                )
            time.sleep(_POLL_SECONDS)

    def _read(self) -> tuple[bytes | None, str | None]:
        """Return the object's bytes and the version that they have, or an older one."""
        try:
            # fsspec remembers listings; other processes write here, too.
            self._files.invalidate_cache()
            # The version first: one that is too old makes the write fail, one that is
            # too new would undo another's change.
            info: dict[str, Any] = self._files.info(self._path)
            self._check_kind(info)
            data: bytes = self._files.cat_file(self._path)
        except FileNotFoundError:
            return None, None
        except LocationError:
            raise
        except Exception as error:  # each store has its own errors
            raise self._error(what="read", why=_line(error)) from error
        return data, info.get("ETag")

    def _check_kind(self, info: Mapping[str, Any]) -> None:
        if info.get("type") == "directory":
            raise self._error(what="read", why="it is a folder")
        if (info.get("size") or 0) > _MAX_BYTES:
            raise self._error(what="read", why="it is too large for a schema")

    def _write(self, data: bytes, version: str | None) -> bool:
        """Write the object; return False where another writer came before."""
        condition: dict[str, str] = {}
        if self.is_conditional:
            condition = {"mode": "create"} if version is None else {"IfMatch": version}
        try:
            self._files.pipe_file(self._path, data, **condition)
        except Exception as error:  # each store has its own errors
            if condition and _is_conflict(error, removed=version is not None):
                return False
            raise self._error(what="written", why=_line(error)) from error
        return True

    def _error(self, *, what: str, why: str) -> LocationError:
        msg = f"schema_location: {self._label!r} cannot be {what}: {why}"
        return LocationError(msg)


_S3_OPTIONS = {
    # botocore waits a minute for each of five attempts unless it is asked for less.
    "config_kwargs": {
        "connect_timeout": 5,
        "read_timeout": 5,
        "retries": {"max_attempts": 2},
    },
}
_CONFLICTS = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412"})


def _is_conflict(error: BaseException, *, removed: bool) -> bool:
    """Return whether S3 refused a write since the object is another one by now.

    Args:
        error: What s3fs raised.
        removed: Whether an object that is not found was removed meanwhile; else it is
            the bucket that is missing.
    """
    if isinstance(error, FileNotFoundError):
        return removed
    if isinstance(error, FileExistsError):
        return True
    # s3fs raises OSErrors of its own, with botocore's error as their cause.
    for each in (error, error.__cause__):
        response = getattr(each, "response", None)
        if isinstance(response, dict):
            return response.get("Error", {}).get("Code") in _CONFLICTS
    return False


def _line(error: Exception) -> str:
    """Return the first line of an error's text, or its type where it has none."""
    lines = str(error).splitlines()
    return lines[0][:200] if lines else type(error).__name__


def _without_credentials(url: str) -> str:
    """Return a URL without user-info and query, which may hold keys."""
    parts = urllib.parse.urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
