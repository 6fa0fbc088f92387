"""Which connections a run has: pure functions, without a feed."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING

from tap_websocket import jsontext

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = [
    "SECRET_PREFIX",
    "PlannedConnection",
    "Shard",
    "chunks",
    "context_text",
    "split_context",
    "stable_hash",
    "unique",
]

_HASHED_BYTES = 8
"""Of SHA-256: it divides topics evenly among any number of shards."""


@dataclasses.dataclass(frozen=True)
class PlannedConnection:
    """What one connection of a run is for.

    Attributes:
        context: Its values of placeholders, each of which is a column of its records.
        topics: What it asks the feed for.
        secrets: Its values of placeholders that are no columns.
    """

    context: Mapping[str, str]
    topics: tuple[str, ...] = ()
    secrets: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)


@dataclasses.dataclass(frozen=True)
class Shard:
    """One of several processes that share the topics or contexts of a feed.

    Attributes:
        index: The number of this process, from 0 (`shard_index`).
        count: How many processes there are (`shard_count`).
    """

    index: int = 0
    count: int = 1

    def __str__(self) -> str:
        """Return what logs call it."""
        return f"shard {self.index} of {self.count}"

    def owns(self, text: str) -> bool:
        """Return whether a topic, or the text of a context, belongs to this process.

        Each text belongs to exactly one index, whatever else is in the list: two
        shards that fetched different lists still never share a topic.
        """
        return stable_hash(text) % self.count == self.index


def stable_hash(text: str) -> int:
    """Return a number for a text that is the same in every process and version.

    It is made of the first eight bytes of SHA-256, big-endian. Python's own `hash`
    differs from process to process.
    """
    # A server's JSON may hold lone surrogates, which strict UTF-8 refuses.
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).digest()
    return int.from_bytes(digest[:_HASHED_BYTES], "big")


def split_context(
    context: Mapping[str, str],
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the columns of a context, and its secrets by the names of placeholders.

    The key of a secret begins with `$`, which is no part of the placeholder's name.
    """
    columns: dict[str, str] = {}
    secrets: dict[str, str] = {}
    for key, value in context.items():
        name = key.removeprefix(SECRET_PREFIX)
        (columns if name == key else secrets)[name] = value
    return columns, secrets


SECRET_PREFIX = "$"  # noqa: S105 - not a secret itself
"""What the key of a context begins with that is a secret, and no column."""


def context_text(context: Mapping[str, str]) -> str:
    """Return the text by which a context is hashed: sorted, compact JSON.

    Keys that begin with `$` are credentials. They are left out, so that a renewed
    token moves no context to another shard.
    """
    kept = {
        name: context[name] for name in sorted(context) if name[:1] != SECRET_PREFIX
    }
    return jsontext.dumps(kept).decode()


def unique(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the texts without later duplicates, in their order."""
    return tuple(dict.fromkeys(texts))


def chunks(texts: Sequence[str], size: int | None) -> Iterator[Sequence[str]]:
    """Yield the texts in runs of at most `size`; all at once when it is None."""
    step = size or len(texts) or 1
    for start in range(0, len(texts), step):
        yield texts[start : start + step]
