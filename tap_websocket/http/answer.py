"""What an HTTP request of the tap comes back with, in the words of errors."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeVar

from tap_websocket import jsontext
from tap_websocket.errors import CredentialError, ParseError
from tap_websocket.expressions.path import MISSING
from tap_websocket.logs import Redacted
from tap_websocket.network.errors import Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tap_websocket.expressions.path import Path
    from tap_websocket.jsontext import JsonValue

__all__ = [
    "MAX_REPLY_BYTES",
    "OK",
    "TOKENS",
    "Answer",
    "NoValue",
    "Purpose",
    "TransientHttpError",
]

Found = TypeVar("Found")

MAX_REPLY_BYTES = 1024 * 1024
"""The longest reply that is read: tokens take kilobytes."""

OK = range(200, 300)
"""Statuses of a request that succeeded."""

_REDIRECTS = range(300, 400)


class Purpose(NamedTuple):
    """What requests are for, in the words of errors.

    Attributes:
        subject: What is asked for.
        setting: The setting that says so.
        max_bytes: The longest reply that is read.
        timeout_setting: The setting that bounds the whole request.
    """

    subject: str = "token"
    setting: str = "auth"
    max_bytes: int = MAX_REPLY_BYTES
    timeout_setting: str = "connect_timeout"


TOKENS = Purpose()
"""Of requests for credentials."""


class TransientHttpError(Unreachable):
    """A request failed in a way that may pass; it is worth another try."""


class NoValue(CredentialError):
    """A reply has nothing where a value should be: it is another one than usual."""


class Answer(Redacted, frozen=True):
    """What a server answered, with a status that is not worth another try.

    Attributes:
        where: Scheme, host and port of the server.
        url: Where the request went to.
        cookies: The values of `Set-Cookie`.
        location: Where it redirects to, as it stands in the answer; or empty.
        purpose: What the request was for.
    """

    where: str
    status: int
    body: bytes
    purpose: Purpose = TOKENS
    url: str = ""
    cookies: tuple[str, ...] = ()
    location: str = ""

    @property
    def ok(self) -> bool:
        """Whether the request succeeded."""
        return self.status in OK

    def json(self) -> JsonValue:
        """Return the body's value.

        Raises:
            CredentialError: When it is not JSON.
        """
        try:
            return jsontext.parse(self.body)
        except jsontext.InvalidJson as error:
            purpose = self.purpose
            msg = (
                f"the {purpose.subject} reply of {self.where} is not JSON; check the "
                f"URL in {purpose.setting}"
            )
            raise CredentialError(msg) from error

    def search(self, where: str, find: Callable[[Any], Found]) -> Found:
        """Return what is found in the body.

        Args:
            where: The setting that has the paths, for errors.
            find: Follows paths from the body's value on.

        Raises:
            CredentialError: When the body is not JSON.
            NoValue: When that takes too long.
        """
        reply = self.json()
        try:
            return find(reply)
        except ParseError as error:
            msg = (
                f"{where}: the reply of {self.where} {error.problem}; let each "
                "repetition in the expression end at a character that it does not take"
            )
            raise NoValue(msg) from error

    def values(self, where: str, paths: Iterable[tuple[str, Path]]) -> dict[str, Any]:
        """Return what paths find in the body.

        Args:
            where: The setting that has the paths, for errors.
            paths: Each after the name of its value.

        Raises:
            CredentialError: When the body is not JSON.
            NoValue: When a path finds nothing, or null, or takes too long.
        """
        found = self.search(
            where,
            lambda reply: {name: path.first(reply) for name, path in paths},
        )
        for name, value in found.items():
            if value is MISSING or value is None:
                msg = (
                    f"{where}.{name}: the reply of {self.where} has nothing at this "
                    "path; check the path, and that the request is granted"
                )
                raise NoValue(msg)
        return found

    def refuse(self, why: str = "") -> NoReturn:
        """Raise the error of a refused request.

        Args:
            why: What the user should check, if it is not the setting.

        Raises:
            CredentialError: Always.
        """
        subject, setting = self.purpose.subject, self.purpose.setting
        reason = why or f"check {setting}"
        if self.status in _REDIRECTS:
            reason = f"the redirect is not followed; put its address into {setting}"
        elif self.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            reason = "the proxy wants credentials; check proxy"
        msg = f"the {subject} request to {self.where} got HTTP {self.status}: {reason}"
        raise CredentialError(msg)
