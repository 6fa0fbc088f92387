"""BATCH: JSON lines into files, in pieces as they come.

The files are those of the SDK's own batcher: lines of records alone, under the root of
the storage, named after the tap, the stream and the run.
"""

from __future__ import annotations

import contextlib
import gzip
import itertools
import uuid
from typing import IO, TYPE_CHECKING, TypeVar

from tap_websocket.errors import DeliveryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from singer_sdk.helpers._batch import BaseBatchFileEncoding, BatchConfig

__all__ = ["BatchFiles", "split_lines", "until_failure", "write_batches"]

_GZIP_LEVEL = 1
"""Seven times as fast as Python's own 9, and keeps up with the feed; trades take a
tenth of their size with it."""

T = TypeVar("T")


class BatchFiles:
    """Writes JSON lines into the files of a run, one after another.

    Args:
        config: The `batch_config`: its encoding is JSON lines, plain or gzip.
        name: What the names of the files begin with, behind the prefix.
    """

    def __init__(self, config: BatchConfig, name: str) -> None:
        self._storage = config.storage
        self._max_count = config.batch_size
        self._gzip = config.encoding.compression == "gzip"
        suffix = "json.gz" if self._gzip else "json"
        prefix = f"{config.storage.prefix or ''}{name}-{uuid.uuid4()}"
        self._names = (f"{prefix}-{number}.{suffix}" for number in itertools.count(1))

    def write(self, chunks: Iterable[bytes]) -> Iterator[str]:
        r"""Write lines, and yield the URL of each file that is finished.

        Args:
            chunks: Lines, those of a chunk joined by `\n`, without a last one.

        Raises:
            DeliveryError: When a file cannot be written.
        """
        file: _File | None = None
        for chunk in chunks:
            rest: bytes | None = chunk
            while rest is not None:
                with _named():
                    file = file or self._open()
                    part, count, rest = split_lines(rest, self._max_count - file.count)
                    file.write(part, count)
                    full = file.count >= self._max_count
                    if full:
                        file.close()
                if full:
                    yield file.url
                    file = None
        if file is not None:
            with _named():
                file.close()
            yield file.url

    def _open(self) -> _File:
        name = next(self._names)
        stack = contextlib.ExitStack()
        raw = stack.enter_context(self._storage.open(name, "wb"))
        file: IO[bytes] | gzip.GzipFile = raw
        if self._gzip:
            file = stack.enter_context(
                gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=_GZIP_LEVEL),
            )
        return _File(self._storage.get_url(name), file, stack)


class _File:
    """A file that is being written."""

    def __init__(
        self,
        url: str,
        file: IO[bytes] | gzip.GzipFile,
        stack: contextlib.ExitStack,
    ) -> None:
        self.url = url
        self.count = 0
        self._file = file
        self._stack = stack

    def write(self, lines: bytes, count: int) -> None:
        self._file.write(lines)
        self._file.write(b"\n")
        self.count += count

    def close(self) -> None:
        self._stack.close()


def write_batches(
    config: BatchConfig, name: str, chunks: Iterable[bytes]
) -> Iterator[tuple[BaseBatchFileEncoding, list[str]]]:
    r"""Write lines into batch files, and yield encoding and manifest of each.

    A failure of the lines ends the files, and is raised when the last one was yielded.

    Args:
        config: The `batch_config`: its encoding is JSON lines, plain or gzip.
        name: What the names of the files begin with, behind the prefix.
        chunks: Lines, those of a chunk joined by `\n`, without a last one.

    Raises:
        DeliveryError: When a file cannot be written.
    """
    failures: list[Exception] = []
    for url in BatchFiles(config, name).write(until_failure(chunks, failures)):
        yield config.encoding, [url]
    for failure in failures:
        raise failure


def split_lines(chunk: bytes, limit: int) -> tuple[bytes, int, bytes | None]:
    r"""Return the first lines of a chunk, their number, and the rest if there is one.

    Args:
        chunk: Lines joined by `\n`, without a last one.
        limit: Number of lines that are wanted, at least 1.
    """
    count = chunk.count(b"\n") + 1
    if count <= limit:
        return chunk, count, None
    *lines, rest = chunk.split(b"\n", limit)
    return b"\n".join(lines), limit, rest


def until_failure(items: Iterable[T], failures: list[Exception]) -> Iterator[T]:
    """Yield the items, and end where they fail: the failure goes into the list.

    So what came before it can be finished first.
    """
    try:
        yield from items
    except Exception as error:  # noqa: BLE001 - for the caller to raise, a bit later
        failures.append(error)


@contextlib.contextmanager
def _named() -> Iterator[None]:
    """Raise a failure as one of the batch files.

    Raises:
        DeliveryError: With what failed; the storage's root may hold credentials and
            is not shown.
    """
    try:
        yield
    except (OSError, ImportError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        msg = f"batch_config: a file could not be written to the storage ({reason})"
        raise DeliveryError(msg) from error
