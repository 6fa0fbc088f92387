"""Runs by hand that count which way each record went."""

from __future__ import annotations

import contextlib
import functools
import json
from typing import TYPE_CHECKING, Any, Literal, get_args
from unittest import mock

from tap_websocket import jsontext
from tap_websocket.columns.columns import Columns
from tap_websocket.expressions.placeholders import PlaceholderValues
from tap_websocket.feed.inbound import Origin
from tap_websocket.records import paths
from tap_websocket.records.encoder import RecordEncoder
from tap_websocket.records.plan import RecordPlan
from tap_websocket.records.template_path import TemplatePath
from tests.support.intake import by_hand
from tests.support.receive import make_settings

if TYPE_CHECKING:
    from tap_websocket.feed.inbound import BatchResult
    from tap_websocket.settings import Settings

__all__ = ["WAYS", "Fastest", "WatchedHandler", "sliced_and_whole", "through"]

Fastest = Literal["templates", "slices", "whole"]
"""The fastest way that messages may take."""

WAYS: tuple[Fastest, ...] = get_args(Fastest)


@functools.cache
def _settings(given: str) -> Settings:
    """Return settings, which never change: a property needs them for each example."""
    return make_settings(max_messages=10**9, **json.loads(given))


class WatchedHandler:
    """A handler by hand, which counts what went each way.

    Attributes:
        templated: Records that templates made.
        passed: Records that went as they came.
        edited: Records of which a part was changed.
        parsed: Records that were read whole.
        totals: Messages with records, records, those that came before, and bytes.
    """

    def __init__(self, **given: Any) -> None:
        given = {"infer_messages": 2, "on_parse_error": "skip", **given}
        self.hand = by_hand(_settings(json.dumps(given)))
        self.regional = "contexts" in given
        self.templated = self.passed = self.edited = self.parsed = 0
        self.sent: list[str] = []
        self.totals = (0, 0, 0, 0)
        self.error = ""

    def send(self, batches: list[list[bytes]], *, binary: bool) -> None:
        handler = self.hand.handler
        origin = Origin(
            1,
            "ws://feed/",
            {"region": "eu"} if self.regional else {},
            values=PlaceholderValues(),
            send=self.sent.append,
        )
        with (
            mock.patch.object(RecordEncoder, "put", self._put()),
            mock.patch.object(RecordEncoder, "passing", self._passing()),
            mock.patch.object(Columns, "edit", self._edit()),
            mock.patch.object(RecordEncoder, "_conform", self._conform()),
        ):
            for batch in batches:
                outcome = handler.consume(origin, batch, binary, None)
                self._add(outcome)
                if outcome.error is not None:
                    self.error = str(outcome.error)
                    break
            self.hand.finish()
        self.values = dict(origin.values)

    def _add(self, outcome: BatchResult) -> None:
        messages, records, deduplicated, taken = self.totals
        self.totals = (
            messages + outcome.messages,
            records + outcome.records,
            deduplicated + outcome.deduplicated,
            taken + outcome.taken,
        )

    def _put(self) -> Any:
        plain = RecordEncoder.put

        def counted(encoder: RecordEncoder, lines: list[bytes], **options: Any) -> None:
            self.templated += len(lines)
            plain(encoder, lines, **options)

        return counted

    def _passing(self) -> Any:
        plain = RecordEncoder.passing

        def counted(encoder: RecordEncoder, *given: Any, **options: Any) -> Any:
            passed = plain(encoder, *given, **options)
            self.passed += len(passed)
            return passed

        return counted

    def _edit(self) -> Any:
        plain = Columns.edit

        def counted(columns: Columns, *given: Any, **options: Any) -> Any:
            edited = plain(columns, *given, **options)
            self.edited += edited is not None
            return edited

        return counted

    def _conform(self) -> Any:
        plain = RecordEncoder._conform  # noqa: SLF001 - what is counted

        def counted(encoder: RecordEncoder, *given: Any) -> None:
            self.parsed += 1
            plain(encoder, *given)

        return counted

    @property
    def lines(self) -> list[bytes]:
        return [line for page in self.hand.pages for line in page.records()]

    @property
    def outcome(self) -> Any:
        records = [jsontext.parse(line) for line in self.lines]
        schemas = [page.schema for page in self.hand.pages]
        if self.error:
            # One way sees it at once, the other at the end of the batch.
            return records, schemas, self.error
        return (
            records,
            schemas,
            self.hand.counts,
            self.totals,
            self.sent,
            self.values,
            self.error,
        )


def through(
    fastest: Fastest,
    form: dict[str, Any],
    batches: list[list[bytes]],
    *,
    binary: bool = False,
) -> WatchedHandler:
    """Take messages, by no faster way than one."""

    def never(*_: object, **__: object) -> None:
        return None

    with contextlib.ExitStack() as stack:
        if fastest != "templates":
            stack.enter_context(mock.patch.object(TemplatePath, "_is_for", never))
        if fastest == "whole":
            stack.enter_context(mock.patch.object(paths, "make_slicer", never))
            stack.enter_context(mock.patch.object(RecordPlan, "fast_path", never))
        taken = WatchedHandler(**form)
        taken.send(batches, binary=binary)
    return taken


def sliced_and_whole(
    form: dict[str, Any], batches: list[list[bytes]], *, binary: bool = False
) -> tuple[WatchedHandler, WatchedHandler]:
    """Take messages by slices, and by reading each whole."""
    sliced = through("slices", form, batches, binary=binary)
    return sliced, through("whole", form, batches, binary=binary)
