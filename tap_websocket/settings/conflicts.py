"""Settings that were given and cannot act beside the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

__all__ = ["conflicts"]

_Conflict = tuple[tuple[str, ...], bool, str]

_RECONNECTING = ("reconnect_backoff", "reconnect_backoff_max", "max_reconnect_attempts")
_INFERENCE = ("infer_messages", "infer_timeout", "infer_nested")
_OF_JSON = ("json_fields", "records_path", "array_columns", "message_fields")


def conflicts(config: Mapping[str, Any], given: Collection[str]) -> Iterator[str]:
    """Warn about settings that were given and cannot act."""
    for names, idle, when in (*_run_conflicts(config), *_decode_conflicts(config)):
        if idle:
            yield from (
                f"{name}: has no effect {when}" for name in names if name in given
            )


def _run_conflicts(config: Mapping[str, Any]) -> Iterator[_Conflict]:
    """Yield the settings that others of a connection or of the run leave idle."""
    for name, other in (
        ("ping_timeout", "ping_interval"),
        ("idle_reset", "idle_timeout"),
        ("heartbeat_interval", "heartbeat_message"),
    ):
        yield (name,), other not in config, f"without {other}"
    yield _RECONNECTING, not config["reconnect"], "without reconnect: true"
    yield ("flush_interval",), config["batch_size"] == 0, "with batch_size: 0"
    few = len(config["subscribe_messages"]) <= 1
    yield ("subscribe_interval",), few, "with less than two subscribe_messages"
    yield ("tls",), not _may_use_tls(config), "with a ws:// URL"


def _may_use_tls(config: Mapping[str, Any]) -> bool:
    fetches = config["auth"]["type"] in {"oauth2", "token_endpoint"}
    over_tls = config.get("proxy", "").startswith("https:")
    return fetches or over_tls or not config["url"].startswith("ws:")


def _decode_conflicts(config: Mapping[str, Any]) -> Iterator[_Conflict]:
    """Yield the settings that the format of messages or the schema leaves idle."""
    form = config["message_format"]
    named = form == "raw_string" and "message_pattern" in config
    whole = form != "json" or config["envelope"]
    why = f"with message_format: {form}" if form != "json" else "with envelope"
    yield (*_INFERENCE, "schema_evolution"), whole and not named, why
    yield _INFERENCE, named, why
    unread = form == "binary" and config["payload_compression"] == "none"
    yield ("on_parse_error",), unread, why
    yield ("message_pattern",), form == "binary", why
    yield _OF_JSON, form != "json", why
    yield _INFERENCE, not whole and "schema" in config, "with schema"
    unsampled = not whole and "schema" not in config and config["infer_messages"] == 0
    yield ("infer_timeout", "infer_nested"), unsampled, "with infer_messages: 0"
