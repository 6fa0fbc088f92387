"""The Singer stream: pages from the bridge, written as Singer messages."""

from __future__ import annotations

import contextlib
import functools
import logging
from typing import TYPE_CHECKING, Any

import msgspec
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.singerlib.catalog import REPLICATION_LOG_BASED
from singer_sdk.streams import Stream
from singer_sdk.tap_base import Tap

from tap_websocket import jsontext
from tap_websocket.counts import Counts
from tap_websocket.errors import DeliveryError
from tap_websocket.pipeline import Pipeline, Run
from tap_websocket.records.payloads import split
from tap_websocket.records.plan import RecordPlan
from tap_websocket.settings import resubscribed, subscription_of
from tap_websocket.singer import sdk, stream_maps
from tap_websocket.singer.batch_files import write_batches
from tap_websocket.singer.reports import RunReports
from tap_websocket.singer.writer import PageWriter, why_over

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

    from singer_sdk.helpers._batch import BaseBatchFileEncoding, BatchConfig
    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.singerlib import Catalog

    from tap_websocket.delivery.pages import Page
    from tap_websocket.logs import SecretFilter
    from tap_websocket.settings import Settings
    from tap_websocket.singer.shutdown import Shutdown

__all__ = ["FeedTap", "WebSocketStream"]

_JSON_LINES = "jsonl"


class FeedTap(Tap):
    """A tap that has what `WebSocketStream` takes from it.

    Attributes:
        settings: The settings of the run.
        shutdown: What a signal does.
        mask: Masks secrets in logs.
    """

    settings: Settings
    shutdown: Shutdown
    mask: SecretFilter


class WebSocketStream(Stream):
    """The one stream of the tap: append-only, without a replication key.

    The feed starts when the first page is asked for, or, where the columns are to
    be inferred, when the schema is.

    Attributes:
        discovers: Whether the run is only a sample for the catalog.
    """

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE

    def __init__(self, tap: FeedTap) -> None:
        self.discovers = False
        self._settings = tap.settings
        self._shutdown = tap.shutdown
        self._secrets = tap.mask
        super().__init__(tap, name=tap.settings.stream.stream_name)
        self.forced_replication_method = REPLICATION_LOG_BASED
        self.primary_keys = tap.settings.stream.primary_keys
        self._counts = Counts()
        self._plan = RecordPlan(
            tap.settings,
            keys=tap.settings.stream.primary_keys,
            takes_schema=sdk.takes_schema(tap.config),
        )
        # None until the schema or the first page is asked for.
        self._pipeline: Pipeline | None = None
        # The schema that was announced last, or will be first.
        self._in_force: Mapping[str, Any] | None = None
        # Whether records go to batch files, which outlast the last page.
        self._writes_files = False

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema in force; where it is inferred, the feed is sampled.

        Raises:
            TapError: When the feed cannot be sampled.
        """
        if self._in_force is None:
            if self._opened_plan().infers:
                self._in_force = self._start().schema(self._alive)
            else:
                self._in_force = self._opened_plan().columns().schema
        return dict(self._in_force)

    @property
    def samples(self) -> bool:
        """Whether the feed has to be sampled for the schema."""
        return self._opened_plan().infers

    def apply_catalog(self, catalog: Catalog) -> None:
        """Start from the catalog's schema; what it deselects stays out for good."""
        super().apply_catalog(catalog)
        entry = catalog.get_stream(self.name)
        if entry is None:
            return
        self.forced_replication_method = REPLICATION_LOG_BASED
        self.replication_key = None
        schema = entry.schema.to_dict()
        mask = entry.metadata.resolve_selection()
        self._plan = msgspec.structs.replace(
            self._plan,
            keys=tuple(self.primary_keys),
            catalog_schema=schema if self._plan.is_told_by(schema) else None,
            store=None,
            stored=None,
            deselected=frozenset(
                name
                for name in schema.get("properties", {})
                if not mask["properties", name]
            ),
        )
        self._plan.check_keys()

    def subscribe_messages(self) -> Sequence[Any]:
        """Return what is sent on every new connection, for subclasses to override.

        Returns:
            Items as in the setting `subscribe_messages`, whose value this is: texts,
            JSON objects, or objects with `message`, `reply` and so on.
        """
        return subscription_of(self._tap.config)

    def decode(self, payload: bytes) -> Sequence[bytes]:
        """Return the documents of a message, for subclasses to override.

        A feed in another format becomes JSON here; rules, paths and columns are applied
        to that. It is called in the loop's thread, for one message after another.

        Args:
            payload: The message, reassembled and without `payload_compression`.

        Returns:
            Documents as `message_format` calls for them: JSON texts, for `json`.

        Raises:
            ParseError: When the message is none; `on_parse_error` decides then.
        """
        return split(payload, self._settings.decoding.record_separator)

    def get_records(self, context: Context | None) -> Iterable[Record]:  # noqa: ARG002
        """Yield the records, parsed, for the SDK's work on each of them.

        What the SDK writes of a page is flushed behind it. Expressions of stream maps
        find null where a record lacks a column: the SDK would fail on its name.

        Raises:
            TapError: The failure that ended the run, after the last record.
        """
        with contextlib.closing(self._pages()) as pages:
            for page in pages:
                evaluates = any(map(sdk.evaluates, self.stream_maps))
                blank = dict.fromkeys(page.schema["properties"] if evaluates else ())
                for record in page.records():
                    yield {**blank, **jsontext.parse_plain(record)}
                self._flush()

    def get_batches(
        self,
        batch_config: BatchConfig,
        context: Context | None = None,
    ) -> Iterable[tuple[BaseBatchFileEncoding, list[str]]]:
        """Write the run's records into batch files: pages as they are where possible.

        A failure ends the files, and is raised when the last one was announced.

        Args:
            batch_config: Encoding, storage and size of the files.
            context: None; the stream has no partitions.

        Yields:
            The encoding and the manifest of each batch.

        Raises:
            TapError: The failure that ended the run, after the last record.
        """
        self._writes_files = True
        yield from self._batches(batch_config, context)
        self._shutdown.done()

    def _batches(
        self,
        batch_config: BatchConfig,
        context: Context | None,
    ) -> Iterator[tuple[BaseBatchFileEncoding, list[str]]]:
        if batch_config.encoding.format != _JSON_LINES:
            yield from super().get_batches(batch_config, context)
            return
        in_pages = self.takes_page_path and self.selected
        source: Generator[Any] = self._chunks()
        if not in_pages:
            source = self._sync_records(context, write_messages=False)
        chunks = source if in_pages else map(jsontext.dumps, source)
        # Closed before a failure is reported: the run ends, and says so, first.
        with contextlib.closing(source):
            name = f"{self.tap_name}--{self.name}"
            yield from write_batches(batch_config, name, chunks)

    def close(self) -> None:
        """End the run and give its thread back; what was not taken is lost."""
        if self._pipeline is not None:
            self._pipeline.close("it is complete")
            self._shutdown.done()

    def log(
        self,
        message: str,
        *args: object,
        level: int = logging.INFO,
        **kwargs: Any,  # noqa: ANN401 - the SDK's signature
    ) -> None:
        """Log a message, but not the SDK's notice of an error that is raised anyway."""
        if level < logging.ERROR:
            super().log(message, *args, level=level, **kwargs)

    @functools.cached_property
    def _page_writer(self) -> PageWriter | None:
        """The tap's own writer; None where a subclass has the SDK write messages."""
        writer = self._tap.message_writer
        return writer if isinstance(writer, PageWriter) else None

    @property
    def takes_page_path(self) -> bool:
        """Whether pages can be written as they are.

        They can unless something has to be done to each record: stream maps,
        flattening, deselected properties inside of a column, a subclass's own
        `post_process`, or another writer than the tap's.
        """
        return (
            self._page_writer is not None
            and all(map(sdk.keeps_records, self.stream_maps))
            and not sdk.deselects_inside(self.mask)
            and type(self).post_process is Stream.post_process
            and type(self).get_records is WebSocketStream.get_records
        )

    def _sync_records(
        self,
        context: Context | None = None,
        *,
        write_messages: bool = True,
    ) -> Generator[dict[str, Any], Any, Any]:
        """Write the run's records: in pages where possible, else one by one."""
        writer = self._page_writer
        if (
            writer is None
            or not write_messages
            or not self.takes_page_path
            or not self.selected
        ):
            yield from self._sync_each(context, write_messages=write_messages)
            return
        with (
            self.get_record_counter() as counter,
            self.get_sync_timer(),
            contextlib.closing(self._pages()) as pages,
        ):
            for page in pages:
                writer.write_page(self.name, page)
                counter.increment(page.count)

    def _sync_each(
        self,
        context: Context | None,
        *,
        write_messages: bool,
    ) -> Generator[dict[str, Any], Any, Any]:
        """Hand each record to the SDK; an expression that fails is named.

        Raises:
            StreamMapError: When an expression of a stream map fails on a record.
        """
        try:
            yield from super()._sync_records(context, write_messages=write_messages)
        except Exception as error:
            failed = stream_maps.expression_error(error)
            if failed is None:
                raise
            raise failed from error
        finally:
            self._flush()

    def _chunks(self) -> Generator[bytes]:
        """Yield the lines of the run's pages, in pieces as they are."""
        with (
            self.get_record_counter() as counter,
            self.get_sync_timer(),
            contextlib.closing(self._pages()) as pages,
        ):
            for page in pages:
                yield from page.chunks
                counter.increment(page.count)

    def _pages(self) -> Generator[Page]:
        """Yield the pages of the run, announcing each new schema before its first."""
        announced: Mapping[str, Any] = self.schema
        pipeline, reports = self._start(), self._reports
        try:
            with reports.shown():
                for page in pipeline.pages(self._alive):
                    if page.schema is not announced and page.schema != announced:
                        self._in_force = page.schema
                        sdk.replace_schema(self, self._tap, dict(page.schema))
                    announced = page.schema
                    yield page
                    reports.update(page.count)
            if not self._writes_files:
                # Files still have to be closed and announced.
                self._shutdown.done()
        except (DeliveryError, GeneratorExit):
            pipeline.skip_close_handshake()
            raise
        finally:
            pipeline.close(why_over(self._page_writer))
            reports.write_counts()

    def _opened_plan(self) -> RecordPlan:
        """Return the plan of the records, with the columns of earlier runs.

        Raises:
            LocationError: When `schema_location` cannot be read or written.
        """
        self._plan = self._plan.opened()
        return self._plan

    def _start(self) -> Pipeline:
        """Return the run; start it the first time."""
        if self._pipeline is None:
            items = self.subscribe_messages()
            if items != subscription_of(self._tap.config):
                self._settings = resubscribed(self._tap.config, items)
                self._secrets.add(self._settings.secrets)
            # The run ends at this many messages; the SDK would stop within one.
            limit, self.ABORT_AT_RECORD_COUNT = self.ABORT_AT_RECORD_COUNT, None
            run = Run(
                self._settings,
                self._opened_plan(),
                self._counts,
                self._secrets,
                max_messages=limit,
                only_one=self.discovers or limit is not None,
                documents=self.decode if self._decodes else None,
                discovers=self.discovers,
            )
            pipeline = self._pipeline = Pipeline(run)
            # Watched first: a signal that comes meanwhile must find what to stop.
            timeout = self._settings.delivery.drain_timeout
            self._shutdown.watch(pipeline.bridge, timeout)
            pipeline.start()
        return self._pipeline

    @property
    def _decodes(self) -> bool:
        """Whether a subclass takes messages apart."""
        return type(self).decode is not WebSocketStream.decode

    @functools.cached_property
    def _reports(self) -> RunReports:
        return RunReports(
            self._counts,
            self.metrics_logger,
            self.name,
            idle_seconds=lambda: self._start().idle_seconds,
        )

    def _alive(self) -> None:
        """Report, and look after the target, while no page comes."""
        if not self.discovers:
            self._reports.update()
        self._check_target()

    def _check_target(self) -> None:
        if self._page_writer is not None:
            self._page_writer.check_target()

    def _flush(self) -> None:
        if self._page_writer is not None:
            self._page_writer.flush()
