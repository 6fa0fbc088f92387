"""From a config whose values have their types to the settings of a run.

What a JSON Schema can say of a single value was checked before (`config`); here and
beside stands what it cannot: values that depend on each other, URLs, files, paths.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_websocket.columns.names import RESCUED
from tap_websocket.errors import ConfigError
from tap_websocket.settings.checks import check_names
from tap_websocket.settings.conflicts import conflicts
from tap_websocket.settings.connection import read_connection
from tap_websocket.settings.credentials import read_auth
from tap_websocket.settings.messages import (
    captured_names,
    read_keepalive,
    read_messages,
)
from tap_websocket.settings.model import (
    CloseCodes,
    DeliverySettings,
    EndSettings,
    ReconnectSettings,
    Settings,
)
from tap_websocket.settings.records import read_decode, read_stream

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from tap_websocket.settings.model import Context

__all__ = ["missing_end", "read_settings", "resubscribed", "subscription_of"]


def read_settings(config: Mapping[str, Any], given: Collection[str]) -> Settings:
    """Make the settings of a config whose values have their types.

    Args:
        config: All settings, defaults filled in (`config.prepare`).
        given: Names of the settings that the user gave.

    Raises:
        ConfigError: With one line for each problem.
    """
    problems: list[str] = []
    contexts = _contexts(config, problems)
    fixed = {
        *_placeholders(config, problems),
        *(name for context in contexts for name, _ in context),
        *captured_names(config),
    }
    auth = read_auth(config["auth"], fixed, problems)
    problems += [
        f"contexts: {name} is a value of auth too; give one of them another name"
        for name in sorted(auth.names & {name for row in contexts for name, _ in row})
    ]
    declared = fixed | auth.names
    decode = read_decode(config, problems)
    groups = decode.message_pattern.names if decode.message_pattern else ()
    settings = Settings(
        connection=read_connection(config, declared, problems),
        auth=auth,
        messages=read_messages(config, declared, groups, problems),
        keepalive=read_keepalive(config, declared, problems),
        ends=_ends(config, problems),
        reconnect=_reconnect(config, problems),
        decode=decode,
        contexts=contexts,
        stream=read_stream(config, problems),
        delivery=DeliverySettings(
            batch_size=config["batch_size"],
            flush_interval=config["flush_interval"],
            buffer_bytes=config["buffer_bytes"],
            spill_bytes=config["spill_bytes"],
            drain_timeout=config["drain_timeout"],
        ),
        warnings=tuple(conflicts(config, given)),
    )
    _check_fields(settings, problems)
    if problems:
        raise ConfigError(problems)
    return settings


def resubscribed(config: Mapping[str, Any], items: Sequence[Any]) -> Settings:
    """Make the settings of a config with other `subscribe_messages`.

    Raises:
        ConfigError: With one line for each problem.
    """
    return read_settings({**config, "subscribe_messages": list(items)}, ())


def subscription_of(config: Mapping[str, Any]) -> list[Any]:
    """Return the items of `subscribe_messages`, as they were given."""
    return list(config["subscribe_messages"])


def missing_end(config: Collection[str]) -> list[str]:
    """Return a line when no setting ends a run.

    Args:
        config: All settings, or their names.
    """
    if any(name in config for name in ("max_messages", "idle_timeout", "max_duration")):
        return []
    return ["a run needs an end: set max_messages, idle_timeout or max_duration"]


def _contexts(config: Mapping[str, Any], problems: list[str]) -> tuple[Context, ...]:
    for number, context in enumerate(config["contexts"]):
        check_names(f"contexts[{number}]", context, problems)
    return tuple(tuple(context.items()) for context in config["contexts"])


def _placeholders(config: Mapping[str, Any], problems: list[str]) -> Collection[str]:
    names: Collection[str] = config["placeholders"]
    check_names("placeholders", names, problems)
    return names


def _check_fields(settings: Settings, problems: list[str]) -> None:
    """Check that `message_fields` names no column that something else fills."""
    taken = {RESCUED, *(name for row in settings.contexts for name, _ in row)}
    if settings.decode.envelope:
        taken |= {"data", "received_at", "url"}
    if settings.decode.record_metadata:
        taken |= {"_received_at", "_connection", "_sequence"}
    problems += [
        f"message_fields: {name} is a column that the tap fills otherwise; choose "
        "another name"
        for name, _ in settings.decode.message_fields
        if name in taken
    ]


def _ends(config: Mapping[str, Any], problems: list[str]) -> EndSettings:
    ends = EndSettings(
        max_messages=config.get("max_messages"),
        idle_timeout=config.get("idle_timeout"),
        idle_reset=config["idle_reset"],
        max_duration=config.get("max_duration"),
    )
    problems += missing_end(config)
    return ends


def _reconnect(config: Mapping[str, Any], problems: list[str]) -> ReconnectSettings:
    backoff, most = config["reconnect_backoff"], config.get("reconnect_backoff_max")
    if most is not None and most < backoff:
        problems.append(
            f"reconnect_backoff_max: must be at least reconnect_backoff "
            f"({backoff}); {most} was given",
        )
    codes = [str(code).strip().lower() for code in config["fatal_close_codes"]]
    return ReconnectSettings(
        enabled=config["reconnect"],
        backoff=backoff,
        backoff_max=most,
        max_attempts=config.get("max_reconnect_attempts"),
        fatal_close_codes=CloseCodes(
            codes=frozenset(int(code) for code in codes if code.isdigit()),
            classes=frozenset(int(code[0]) for code in codes if "x" in code),
        ),
    )
