"""Settings that were given and cannot act beside the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

__all__ = ["conflicts"]


def conflicts(config: Mapping[str, Any], given: Collection[str]) -> Iterator[str]:
    """Warn about settings that were given and cannot act."""
    for names, idle, when in (
        (_RECONNECTING, not config["reconnect"], "without reconnect: true"),
        (("ping_timeout",), "ping_interval" not in config, "without ping_interval"),
        (("idle_reset",), "idle_timeout" not in config, "without idle_timeout"),
        (("flush_interval",), config["batch_size"] == 0, "with batch_size: 0"),
        *_decode_conflicts(config),
    ):
        if idle:
            yield from (
                f"{name}: has no effect {when}" for name in names if name in given
            )


_RECONNECTING = ("reconnect_backoff", "reconnect_backoff_max", "max_reconnect_attempts")
_INFERENCE = ("infer_messages", "infer_timeout", "infer_nested")

_Conflict = tuple[tuple[str, ...], bool, str]


def _decode_conflicts(config: Mapping[str, Any]) -> Iterator[_Conflict]:
    """Yield the settings that the format of messages or the schema leaves idle."""
    form = config["message_format"]
    whole = form != "json" or config["envelope"]
    why = f"with message_format: {form}" if form != "json" else "with envelope"
    yield (*_INFERENCE, "schema_evolution"), whole, why
    yield ("on_parse_error",), form == "binary", why
    yield _INFERENCE, not whole and "schema" in config, "with schema"
    unsampled = not whole and "schema" not in config and config["infer_messages"] == 0
    yield ("infer_timeout", "infer_nested"), unsampled, "with infer_messages: 0"
