"""The Singer tap: its name, its capabilities and its one stream.

The settings are declared in `settings/`, a file for each group.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk.helpers.capabilities import (
    CapabilitiesEnum,
    PluginCapabilities,
    TapCapabilities,
)
from singer_sdk.mapper import PluginMapper

from tap_websocket.errors import CatalogError, ConfigError
from tap_websocket.logs import SecretFilter
from tap_websocket.settings import coerce, missing_end, read_settings, schema
from tap_websocket.singer import environment, sdk, stream_maps
from tap_websocket.singer.cli import TapCommand
from tap_websocket.singer.sdk import classproperty
from tap_websocket.singer.shutdown import Shutdown
from tap_websocket.singer.writer import PageWriter
from tap_websocket.stream import FeedTap, WebSocketStream

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    import click
    from singer_sdk.streams import Stream

__all__ = ["TapWebSocket"]


class TapWebSocket(FeedTap):
    """Singer tap that turns a live WebSocket feed into records."""

    name = "tap-websocket"
    package_name = "tap-websocket"
    dynamic_catalog = True
    message_writer_class = PageWriter
    # One object for the class: the SDK adds its own settings to it in place.
    config_jsonschema: ClassVar[dict[str, Any]] = schema()
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.DISCOVER,
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.BATCH,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - the SDK's
        self.shutdown = Shutdown()
        self.mask = SecretFilter()
        self.mask.install()
        if kwargs.get("parse_env_config"):
            # A config file and the environment itself win over `.env`.
            found = environment.dotenv_settings(Path.cwd(), self._env_var_prefix)
            kwargs["config"] = found | dict(kwargs.get("config") or {})
        if kwargs.get("catalog") is not None:
            kwargs["catalog"] = sdk.read_catalog(kwargs["catalog"])
        super().__init__(*args, **kwargs)

    @classproperty
    def _env_var_config(cls) -> dict[str, Any]:  # noqa: N805 - a class property
        """Settings from the environment, as text: `coerce` gives them their types."""
        return environment.settings_in(os.environ, cls._env_var_prefix)

    @classmethod
    def _schema(cls) -> dict[str, Any]:
        """The config JSON schema with the SDK's own settings."""
        cls.append_builtin_config(cls.config_jsonschema)
        sdk.mend_schema(cls.config_jsonschema)
        return cls.config_jsonschema

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Give the settings their types and check them.

        Raises:
            ConfigValidationError: With one line for each wrong setting.
        """
        prepared = coerce.prepare(self._config, self._schema())
        for warning in prepared.warnings:
            self.logger.warning(warning)
        problems = [
            *coerce.emptied(self._config, os.environ, self._env_var_prefix),
            *prepared.problems,
            *sdk.missing_encoders(self._config),
        ]
        if problems:
            problems += missing_end(prepared.given)
        else:
            try:
                self.settings = read_settings(prepared.config, prepared.given)
            except ConfigError as error:
                problems = error.problems
            else:
                self._config = prepared.config
                self.mask.add(self.settings.secrets)
                for warning in self.settings.warnings:
                    self.logger.warning(warning)
        if problems and raise_errors:
            raise sdk.config_error(problems)
        return problems

    @property
    def streams(self) -> dict[str, Stream]:
        """The one stream by its name, with the catalog applied that was given.

        Raises:
            CatalogError: When the catalog has no stream of the tap's.
            StreamMapError: When a stream map is of no stream of the tap's.
        """
        known = self._streams is not None
        streams = super().streams
        if known:
            return streams
        catalog = self.input_catalog
        if catalog is not None and not any(map(catalog.get_stream, streams)):
            has = ", ".join(repr(entry.tap_stream_id) for entry in catalog.streams)
            msg = (
                f"the catalog has no stream {', '.join(map(repr, streams))} (it has "
                f"{has or 'none'}); discover again, or set stream_name"
            )
            raise CatalogError(msg)
        # Before a connection: a mask that does not act would let values through.
        stream_maps.check_names(self.config.get("stream_maps"), streams)
        return streams

    def setup_mapper(self) -> None:
        """Leave the stream maps until the columns are known (see `mapper`)."""

    @property
    def mapper(self) -> PluginMapper:
        """The stream maps, made when they are first needed.

        Their making asks for the stream's schema, which a feed may have to be
        sampled for; a tap that is only constructed opens no connection.

        Raises:
            StreamMapError: When they cannot be set up.
            TapError: When the feed cannot be sampled.
        """
        if self._mapper is None:
            # Sampled first, so that what fails below are the stream maps.
            sampled = [
                (stream, stream.schema)
                for stream in self.streams.values()
                if isinstance(stream, WebSocketStream) and stream.samples
            ]
            try:
                if sampled:
                    # The SDK would take the schema of a catalog that was given; that of
                    # a discovery without records has no columns.
                    mapper = PluginMapper(dict(self.config), self.logger)
                    for stream, schema in sampled:
                        sdk.register_schema(stream, mapper, schema)
                    self._mapper = mapper
                else:
                    super().setup_mapper()
            except Exception as error:
                # The SDK raises its own errors, NotImplementedError and ValueError.
                self._mapper = None
                raise stream_maps.setup_error(error) from error
        return super().mapper

    @mapper.setter
    def mapper(self, mapper: PluginMapper) -> None:
        self._mapper = mapper

    def discover_streams(self) -> Sequence[WebSocketStream]:
        """Return the one stream."""
        return [WebSocketStream(self)]

    def run_discovery(self) -> str:
        """Write the catalog to stdout; a connection that was sampled is closed."""
        streams = [
            stream
            for stream in self.streams.values()
            if isinstance(stream, WebSocketStream)
        ]
        for stream in streams:
            stream.discovers = True
        if any(stream.samples for stream in streams):
            self._warn_of_acknowledgements()
        try:
            return super().run_discovery()
        finally:
            for stream in streams:
                stream.close()

    def _warn_of_acknowledgements(self) -> None:
        if self.settings.subscription.message_rules.acknowledges:
            self.logger.warning(
                "The sample for the catalog is lost to the next run: message_rules "
                "acknowledges what it emits; with schema or infer_messages: 0 no "
                "sample is taken",
            )

    def load_state(self, state: dict[str, Any]) -> None:
        """Ignore the state: a live feed has no offset to go on from.

        docs/behaviour.md, "Delivery".
        """

    @property
    def state_writer(self) -> sdk.StateWriter:
        """A writer that writes no STATE message."""
        return sdk.NO_STATE

    def _handle_termination(
        self,
        signum: int,
        frame: FrameType | None,  # noqa: ARG002 - the SDK's signature
    ) -> None:
        """End the run at SIGINT or SIGTERM with everything received delivered."""
        self.shutdown.signalled(signum)

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Return the command line, with each failure as one line and exit code 1."""
        command = super().get_singer_command()
        return TapCommand(
            name=command.name,
            callback=command.callback,
            context_settings=command.context_settings,
            params=command.params,
            help=command.help,
            logger=cls.logger,
        )
