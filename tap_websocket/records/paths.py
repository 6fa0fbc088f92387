"""The ways of a message to its records: each takes the fastest that is right for it."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING

from tap_websocket.columns.payload_check import any_may_need_slow_path
from tap_websocket.largejson.parsing import is_large
from tap_websocket.records.batch import AdaptiveBatchSize, take_fast
from tap_websocket.records.payloads import is_utf8
from tap_websocket.records.sliced_path import SlicedPath
from tap_websocket.records.slicer import make_slicer
from tap_websocket.records.slow_path import SlowPath
from tap_websocket.records.template_path import TemplatePath
from tap_websocket.records.views import Unviewable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_websocket.counts import Counts
    from tap_websocket.records.batch import Batch
    from tap_websocket.records.deduplicate import Deduplicator
    from tap_websocket.records.document_reader import DocumentReader
    from tap_websocket.records.emitter import RecordEmitter
    from tap_websocket.records.extractor import Extractor
    from tap_websocket.records.gap_watch import GapWatch
    from tap_websocket.records.router import MessageRouter
    from tap_websocket.settings import Settings

__all__ = ["Paths"]


class Paths:
    """Takes messages: as they are, by templates, cut up, or read whole.

    Args:
        settings: All settings.
        single_column: Each record lands whole in the column `data`.
        documents: Splits messages into documents, and reads these.
        extractor: Is told which paths of the settings matched.
        router: Decides what is no data.
        emitter: Takes the records.
        gaps: Watches the feed's own numbers.
        counts: Counts what is ignored, or cannot be read.
        deduplicator: Decides which records were emitted before, if any may be.

    Attributes:
        slow: Takes what is read whole.
    """

    def __init__(  # noqa: PLR0913 - its collaborators, by keyword
        self,
        settings: Settings,
        *,
        single_column: bool,
        documents: DocumentReader,
        extractor: Extractor,
        router: MessageRouter,
        emitter: RecordEmitter,
        gaps: GapWatch,
        counts: Counts,
        deduplicator: Deduplicator | None,
    ) -> None:
        decoding = settings.decoding
        self._decoding = decoding
        self._single_column = single_column
        self._documents = documents
        self._router = router
        self._emitter = emitter
        self._gaps = gaps
        self._deduplicator = deduplicator
        # Whether a message is one record, or an array of them, as it stands.
        self._passes_messages = documents.is_own and decoding.takes_payloads_whole
        self._parses = decoding.is_structured
        self._batch_size = AdaptiveBatchSize()
        # The same for large messages, and how many of them go past untried now.
        self._large_size = AdaptiveBatchSize()
        self._untried = 0
        self.slow = SlowPath(
            decoding,
            documents=documents,
            router=router,
            emitter=emitter,
            gaps=gaps,
            counts=counts,
        )
        self._sliced: SlicedPath | None = None
        self._templates: TemplatePath | None = None
        by = settings.continuity.deduplicate
        # Whether records are known again by values in them.
        self._names_records = by is not None and bool(by.by)
        slicer = (
            make_slicer(
                decoding,
                extractor,
                single_column=single_column,
                looked_at=router.looked_at,
            )
            if documents.is_own
            else None
        )
        if slicer is not None:
            self._sliced = SlicedPath(
                decoding,
                slicer,
                documents=documents,
                router=router,
                emitter=emitter,
                give_up=self.slow.give_up,
            )
        if documents.is_own and decoding.is_structured and not single_column:
            with contextlib.suppress(Unviewable):
                self._templates = TemplatePath(
                    decoding,
                    extractor,
                    documents=documents,
                    router=router,
                    emitter=emitter,
                    gaps=gaps,
                    deduplicator=deduplicator,
                    by=() if by is None else by.by,
                )
        # To look for what rules may match is dearer than a template.
        self._templates_first = (
            self._templates is not None
            and not self._passes_messages
            and (decoding.message_pattern is not None or not router.asks_json_texts)
        )

    def take(self, batch: Batch, messages: list[bytes]) -> None:
        """Take messages in order, until the run or the feed is over.

        Raises:
            TapError: When one of them is fatal.
        """

        def runs(left: list[bytes]) -> None:
            self._take_runs(batch, left)

        if (
            messages  # none are left where each of them could not be read
            and self._templates is not None
            and self._templates_first
            and not is_large(messages[0])
        ):
            self._templates.take(batch, messages, runs, plain=False)
        else:
            runs(messages)

    def passes(self, batch: Batch, message: bytes) -> bool:
        """Take a large message if it is a record as it stands.

        Where such messages are not, few are tried: it is a long test.

        Returns:
            Whether it was taken.
        """
        if (
            not self._passes_messages
            or self._deduplicator is not None
            or self._router.captures_from_data
            or not self._emitter.is_settled
            or self._router.may_match(message)
        ):
            return False
        if self._untried:
            self._untried -= 1
            return False
        passed = self._pass(batch, [message])
        self._untried = self._large_size.adjust(passed, 1)
        return passed == 1

    def _take_runs(self, batch: Batch, messages: list[bytes]) -> None:
        """Take messages, those apart that a rule or reply may match.

        Raises:
            TapError: When one of them is fatal.
        """
        for plain, run in self._runs(messages):
            self._take_run(batch, run, plain=plain)
            if plain and self._router.captures_from_data:
                origin = batch.arrival.origin
                self._router.capture(origin, reversed(run), self._documents.parsed)
            if batch.is_over:
                return

    def _runs(self, messages: list[bytes]) -> Iterator[tuple[bool, list[bytes]]]:
        """Yield messages in order: runs that are plain data, and others."""
        may_match = self._router.prefilter
        if self._router.idle:
            yield True, messages
        elif may_match is None or not self._documents.is_own:
            yield False, messages
        else:
            for found, run in itertools.groupby(messages, may_match):
                yield not found, list(run)

    def _take_run(self, batch: Batch, run: list[bytes], *, plain: bool) -> None:
        """Take messages that rules see alike.

        Raises:
            TapError: When one of them is fatal.
        """
        start = 0
        while not self._emitter.is_settled and start < len(run) and not batch.is_over:
            # The sample ends within a batch: what follows may pass at once.
            self.slow.take(batch, run[start], plain=plain)
            start += 1
        run = run[start:] if start else run
        if len(run) == 1 and is_large(run[0]) and self._parses:
            self._take_large(batch, run[0], plain=plain)
        elif not (plain and self._passes_messages):
            self._take_others(batch, run, plain=plain, tried=self._templates_first)
        elif self._templates is not None and self._names_records:
            # To parse each for its name is dearer than a template.
            self._templates.take(
                batch,
                run,
                lambda left: self._take_plain(batch, left, tried=True),
                plain=True,
            )
        else:
            self._take_plain(batch, run, tried=False)

    def _take_large(self, batch: Batch, message: bytes, *, plain: bool) -> None:
        """Take a message as it is, or read it in pieces: all else takes its multiple.

        Raises:
            TapError: When it is fatal.
        """
        columns = self._emitter.columns
        if (
            plain
            and self._passes_messages
            and not self._single_column
            and columns is not None
            and columns.tests_large
            and self._pass(batch, [message])
        ):
            return
        self.slow.take(batch, message, plain=plain)

    def _take_plain(self, batch: Batch, run: list[bytes], *, tried: bool) -> None:
        """Take messages as they are while they can be, else in another way.

        Args:
            batch: What they belong to.
            run: The messages.
            tried: Templates were tried on them.

        Raises:
            TapError: When one of them is fatal.
        """

        def fast(part: list[bytes]) -> int:
            return self._pass(batch, part)

        def slow(part: list[bytes], _: int) -> bool:
            self._take_others(batch, part, plain=True, tried=tried)
            return not batch.is_over

        take_fast(run, self._batch_size, fast, slow)

    def _take_others(
        self, batch: Batch, part: list[bytes], *, plain: bool, tried: bool
    ) -> None:
        """Take messages by templates, unless these were tried, and else one by one.

        Raises:
            TapError: When one of them is fatal.
        """
        edits = plain and self._passes_messages

        def each(left: list[bytes]) -> None:
            self._take_each(batch, left, plain=plain, edits=edits)

        if self._templates is None or tried:
            each(part)
        else:
            self._templates.take(batch, part, each, plain=plain)

    def _take_each(
        self, batch: Batch, part: list[bytes], *, plain: bool, edits: bool
    ) -> None:
        """Take messages one by one: by their bytes if it can be, else read whole.

        Args:
            batch: What they belong to.
            part: The messages.
            plain: No rule or reply can match them.
            edits: A message that is an object is a record as it stands.

        Raises:
            TapError: When one of them is fatal.
        """
        sliced = self._sliced_path(plain=plain)
        edits = (
            edits
            and sliced is not None
            and not self._single_column
            # What records are compared by has to be JSON.
            and self._deduplicator is None
            # What is noted is the column of one record alone.
            and not self._emitter.added.notes
        )
        checked = edits and not any_may_need_slow_path(b"".join(part))
        for index, payload in enumerate(part):
            if batch.is_over:
                return
            version = self._emitter.version
            if not (
                sliced is not None
                and is_utf8(payload)
                and (
                    self._edit(batch, payload, checked=checked)
                    if edits and payload[:1] == b"{"
                    else sliced.take(batch, payload, plain=plain)
                )
            ):
                self.slow.take(batch, payload, plain=plain)
            if edits and self._emitter.version != version:
                self._emitter.prepare(part[index + 1 :])

    def _sliced_path(self, *, plain: bool) -> SlicedPath | None:
        """Return what cuts messages up, where that is right for these now."""
        sliced = self._sliced
        if sliced is None or not (plain or sliced.takes_rules):
            return None
        # Where the feed's numbers stand in its records, each of these is looked at.
        if self._gaps.asks_records or not self._emitter.is_settled:
            return None
        return sliced

    def _edit(self, batch: Batch, payload: bytes, *, checked: bool) -> bool:
        """Take a message that is one record, and change only what does not fit.

        Returns:
            Whether it was taken; else it has to be read whole.
        """
        if not self._emitter.edit(batch.arrival, payload, checked=checked):
            return False
        result = batch.result
        result.taken += len(payload)
        result.messages += 1
        result.records += 1
        return True

    def _pass(self, batch: Batch, part: list[bytes]) -> int:
        """Take messages whose bytes are records as they stand.

        Returns:
            How many of them, from the first on, are.
        """
        self._emitter.put(batch.arrival)
        passed, new = self._emitter.pass_on(
            batch.arrival,
            part[: batch.left],
            # Unchecked text is as uncertain as what came in binary frames.
            binary=batch.binary or self._decoding.takes_any_text,
        )
        if passed:
            taken = part if passed == len(part) else part[:passed]
            # To join them is the fastest way to add their lengths up.
            batch.result.taken += len(b"".join(taken))
            batch.result.messages += new
            batch.result.records += new
            batch.result.deduplicated += passed - new
        return passed
