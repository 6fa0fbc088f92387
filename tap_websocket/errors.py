"""The ways a run can fail, each with one line that a user can act on."""

from __future__ import annotations

from tap_websocket.wording import counted_bytes

__all__ = [
    "CatalogError",
    "ConfigError",
    "ConnectionFailed",
    "CredentialError",
    "DeliveryError",
    "FeedError",
    "LocationError",
    "ParseError",
    "SchemaError",
    "SequenceError",
    "StreamMapError",
    "TapError",
    "extra_needed",
]


class TapError(Exception):
    """A failure that ends the run with exit code 1 and one line on stderr.

    The message says what failed, where, and what to do. It never holds a secret.
    """


class CatalogError(TapError):
    """The catalog that was given is not one of this tap's stream."""


class ConfigError(TapError):
    """One or more settings are wrong; no run was started.

    Attributes:
        problems: One line for each wrong setting.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class CredentialError(TapError):
    """Credentials, or another reply over HTTP, could not be had."""


class ConnectionFailed(TapError):
    """The feed could not be reached, was lost for good, or never answered."""


class DeliveryError(TapError):
    """Records could not be handed on: the target went away, or a disk is full."""


class FeedError(TapError):
    """The feed itself said that it failed: a fatal close code, a `fail` rule."""


class LocationError(TapError):
    """The file of `schema_location` cannot be read or written, or is another file."""


class ParseError(TapError):
    """A message cannot be read; `on_parse_error` decides what becomes of it.

    Args:
        problem: What is wrong, and where in the message, without any of its content;
            with `size` given, it continues "a message of … bytes".
        size: Bytes of the message.
        advice: What to do about it.

    Attributes:
        kind: What the message is: of a text frame or a binary one, where known.
    """

    def __init__(
        self,
        problem: str,
        *,
        size: int | None = None,
        advice: str = "",
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.kind = "message"
        self._size = size
        self._advice = advice

    @property
    def reason(self) -> str:
        """What is wrong, behind a line that names the message already."""
        return self.problem if self._size is None else f"it {self.problem}"

    def __str__(self) -> str:
        """Return the line for users."""
        text = self.problem
        if self._size is not None:
            text = f"a {self.kind} of {counted_bytes(self._size)} {self.problem}"
        return f"{text}; {self._advice}" if self._advice else text


class SchemaError(TapError):
    """A record does not fit the schema where that may not be repaired."""


class SequenceError(TapError):
    """Numbers of the feed are missing, and `sequence` says that the run fails then."""


class StreamMapError(TapError):
    """Stream maps cannot be set up, or an expression fails on a record."""


def extra_needed(name: str) -> str:
    """Return the end of an error's line where an extra is not installed."""
    return f"needs an extra; run pip install 'tap-websocket[{name}]'"
