"""Numbers of the feed that are missing, and outages, on their way to a record."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import msgspec

from tap_websocket.errors import ParseError, SequenceError
from tap_websocket.feed.inbound import CloseAction
from tap_websocket.largejson.parsing import is_large
from tap_websocket.records.payloads import is_utf8
from tap_websocket.records.views import partial_view

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tap_websocket.feed.inbound import Origin
    from tap_websocket.jsontext import JsonValue
    from tap_websocket.records.batch import Batch
    from tap_websocket.records.document_reader import DocumentReader
    from tap_websocket.records.emitter import RecordEmitter
    from tap_websocket.records.extractor import Extracted
    from tap_websocket.records.sequence import SequenceTracker
    from tap_websocket.records.views import PartialView
    from tap_websocket.records.watched_keys import Watched
    from tap_websocket.settings import SequenceSettings, Settings

    Reader = Callable[[Iterable[bytes]], list[tuple[Any, Any]]]
    """Finds number and key in messages, up to one that is built otherwise."""

__all__ = ["GapWatch"]


class GapWatch:
    """Watches for what is missing, and lets the next record say so.

    Args:
        settings: `sequence`, `record_metadata`, and what a message looks like.
        tracker: Watches the feed's own numbers, if it has any.
        emitter: Is told what the next record is to say.
        documents: Reads the messages in which numbers stand.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        tracker: SequenceTracker | None,
        emitter: RecordEmitter,
        documents: DocumentReader,
    ) -> None:
        self._settings = settings.continuity.sequence
        self._tracker = tracker
        self._emitter = emitter
        self._documents = documents
        # Whether records have columns that say what was missing.
        self._says = settings.decoding.record_metadata
        self._view = _number_view(settings, documents)
        self._read = _reader(self._settings, self._view)
        # Seconds of the outage of each group whose first record after it is to come.
        self._outages: dict[int, float] = {}
        # Identities of the messages at hand in whose documents no number was found: it
        # may be in their records.
        self._unnumbered: set[int] = set()
        # Records of the run when numbers were last found missing (`on_gap`).
        self._records_at_gap = -1
        self._emitted = 0

    @property
    def missing(self) -> int:
        """Numbers that were found missing so far."""
        return 0 if self._tracker is None else self._tracker.missing

    @property
    def asks_records(self) -> bool:
        """Whether numbers may stand in the records of the messages at hand."""
        return bool(self._unnumbered)

    @property
    def is_idle(self) -> bool:
        """Whether no numbers are watched, and no outage is to be said."""
        return self._tracker is None and not self._outages

    def settle(self) -> None:
        """Count the numbers that are still missing at the end of a run."""
        if self._tracker is not None:
            self._tracker.settle()

    @property
    def unmatched(self) -> Sequence[str]:
        """The settings whose path found nothing beside the records of the run."""
        if self._tracker is None or not self._emitted:
            return ()
        return [f"sequence.{key}" for key in self._tracker.unmatched]

    def dialing(self, origin: Origin) -> None:
        """Add a connection that may bring messages."""
        if self._tracker is not None:
            self._tracker.dialing(origin)

    def dropped(self, origin: Origin) -> None:
        """Remove a connection."""
        if self._tracker is not None:
            self._tracker.dropped(origin)

    def outage_ended(self, group: int, seconds: float) -> None:
        """Keep an outage for the next record."""
        if self._says:
            self._outages[group] = self._outages.get(group, 0.0) + seconds

    def taken(self, batch: Batch) -> None:
        """Count the records of a batch."""
        self._emitted += batch.result.records

    def before(
        self, origin: Origin, payload: bytes, record: Extracted
    ) -> Watched | None:
        """Look at a record's number, where the message had none; it may say a gap."""
        if self._tracker is None or id(payload) not in self._unnumbered:
            return None
        watched = _observe(self._tracker, origin, record.record)
        if watched is not None and self._says:
            self._emitter.added.missing = watched.missing
        return watched

    def after(self, watched: Watched | None) -> None:
        """Keep what the record has not said, since it was dropped."""
        if watched is not None and self._says:
            watched.missing = self._emitter.added.missing
            self._emitter.added.missing = 0

    def noted(self, batch: Batch, messages: list[bytes]) -> Iterator[list[bytes]]:
        """Yield messages in order: those alone whose record says what was missing."""
        group = batch.arrival.origin.group
        if self._outages and group in self._outages:
            self._emitter.put(batch.arrival)
            self._emitter.added.outage = self._outages.pop(group)
        tracker = self._tracker
        if tracker is None and self._emitter.added.outage is None:
            yield messages
            return
        try:
            yield from self._apart(tracker, batch, messages)
        finally:
            # The batch may end before its messages do: what no record has said yet is
            # not for those of another group.
            if self._emitter.added.outage is not None:
                self._outages[group] = self._emitter.added.outage
                self._emitter.added.outage = None
            self._unnumbered.clear()

    def _apart(
        self, tracker: SequenceTracker | None, batch: Batch, messages: list[bytes]
    ) -> Iterator[list[bytes]]:
        """Yield messages in order, those apart whose record has something to say."""
        ready: list[bytes] = []
        at, count = 0, len(messages)
        following = _Following(tracker, self._read, batch.arrival.origin, messages)
        while at < count:
            if self._emitter.added.outage is None:
                end = following.end(at)
                ready += messages[at:end]
                at = end
                if at == count:
                    break
            message = messages[at]
            at += 1
            watched = None if tracker is None else self._watch(tracker, batch, message)
            missing = 0 if watched is None else watched.missing
            if not self._says or (missing == 0 and self._emitter.added.outage is None):
                ready.append(message)
                continue
            if ready:
                yield ready
                ready = []
            self._emitter.put(batch.arrival)
            self._emitter.added.missing = missing
            try:
                yield [message]
            finally:
                if watched is not None:
                    # It is still to be said where the message has left no record.
                    watched.missing = self._emitter.added.missing
                self._emitter.added.missing = 0
        if ready:
            yield ready

    def _watch(
        self, tracker: SequenceTracker, batch: Batch, message: bytes
    ) -> Watched | None:
        """Look at the numbers of a message; return those of its last key."""
        origin, watched = batch.arrival.origin, None
        found = self._numbers_of(message)
        for document in self._documents.values(message) if found is None else (found,):
            watched = _observe(tracker, origin, document) or watched
        if watched is None:
            self._unnumbered.add(id(message))
        return watched

    def _numbers_of(self, message: bytes) -> JsonValue:
        """Return what the tracker looks at of a message, without parsing it whole.

        Returns:
            None where it has to be parsed.
        """
        if (
            self._view is None
            or message[:1] != b"{"
            or is_large(message)
            or not is_utf8(message)
        ):
            return None
        try:
            return self._view.of(message)
        except (msgspec.MsgspecError, RecursionError):
            return None

    def act(self, batch: Batch) -> None:
        """Do what `on_gap` says about numbers that were found missing in a batch.

        Raises:
            SequenceError: With `fail`.
        """
        tracker, sequence = self._tracker, self._settings
        if tracker is None or not tracker.broken:
            return
        tracker.broken = False
        if sequence is None or sequence.on_gap == "log":
            return
        if sequence.on_gap == "fail":
            msg = (
                "sequence: numbers of the feed are missing (on_gap: fail); the log "
                "says which"
            )
            raise SequenceError(msg)
        records = self._emitted + batch.result.records
        if records > self._records_at_gap:
            # Not twice without a record between: subscribing anew does not help then.
            self._records_at_gap = records
            if batch.result.directive in {None, CloseAction.REPLACE}:
                batch.result.directive = CloseAction.GAP


def _observe(
    tracker: SequenceTracker,
    origin: Origin,
    value: JsonValue,
) -> Watched | None:
    """Take a document or record; what takes too long to be searched has no number."""
    try:
        return tracker.observe(origin, value)
    except ParseError:
        return None


class _Following:
    """Messages of a batch whose numbers follow on one another.

    Args:
        tracker: Takes the numbers.
        read: Finds number and key in messages; None where more is looked at.
        origin: The connection that brought them.
        messages: The messages.
    """

    def __init__(
        self,
        tracker: SequenceTracker | None,
        read: Reader | None,
        origin: Origin,
        messages: list[bytes],
    ) -> None:
        self._tracker = tracker
        self._read = read if read and _are_readable(messages) else None
        self._origin = origin
        self._messages = messages
        # What was read, and the message that it begins with.
        self._found: list[tuple[Any, Any]] = []
        self._first = 0

    def end(self, start: int) -> int:
        """Take numbers from a message on; return the first one to be looked at."""
        tracker, read, messages = self._tracker, self._read, self._messages
        if tracker is None or read is None:
            return start
        if start >= self._first + len(self._found):
            if messages[start][:1] != b"{":
                return start
            self._found = read(itertools.islice(messages, start, None))
            self._first = start
        taken = tracker.takes(self._origin, self._found, start - self._first)
        return self._first + taken


def _are_readable(messages: list[bytes]) -> bool:
    """Return whether messages are UTF-8, and what is read of each takes little."""
    joined = b"\n".join(messages)
    return is_utf8(joined) and not (is_large(joined) and any(map(is_large, messages)))


def _reader(
    settings: SequenceSettings | None, view: PartialView | None
) -> Reader | None:
    """Return what finds number and key in messages, where these are all there is."""
    if settings is None or view is None or settings.first or settings.previous:
        return None
    paths = [path.steps or () for path in (settings.path, *settings.by)]
    return view.reader(paths[0], paths[1:]) if all(paths) else None


def _number_view(settings: Settings, documents: DocumentReader) -> PartialView | None:
    """Return the view of the feed's numbers, where a message is one document."""
    decoding, sequence = settings.decoding, settings.continuity.sequence
    if (
        sequence is None
        or not (decoding.is_structured and documents.is_own)
        or decoding.record_separator is not None
        or decoding.message_pattern is not None
        or decoding.json_fields
    ):
        return None
    paths = (sequence.path, sequence.first, sequence.previous, *sequence.by)
    return partial_view(path for path in paths if path is not None)
