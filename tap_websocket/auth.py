"""Credentials to headers."""

from __future__ import annotations

import base64
import dataclasses
from urllib.parse import unquote_to_bytes, urlsplit

__all__ = [
    "Auth",
    "Bearer",
    "Custom",
    "NoAuth",
    "basic",
    "split_userinfo",
    "userinfo_secrets",
]

Headers = tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True, slots=True)
class NoAuth:
    """No credentials."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not show in any output."""
        return ()

    def headers(self) -> Headers:
        """Return the headers that carry the credentials."""
        return ()


@dataclasses.dataclass(frozen=True, slots=True)
class Bearer:
    """A bearer token (RFC 6750)."""

    token: str = dataclasses.field(repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not show in any output."""
        return (self.token,)

    def headers(self) -> Headers:
        """Return the headers that carry the credentials."""
        return (("Authorization", f"Bearer {self.token}"),)


@dataclasses.dataclass(frozen=True, slots=True)
class Custom:
    """Headers as they are."""

    given: Headers = dataclasses.field(repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not show in any output."""
        return tuple(value for _, value in self.given)

    def headers(self) -> Headers:
        """Return the headers that carry the credentials."""
        return self.given


Auth = NoAuth | Bearer | Custom


def basic(username: bytes, password: bytes) -> Headers:
    """Return the header of Basic credentials (RFC 7617)."""
    token = base64.b64encode(username + b":" + password).decode("ascii")
    return (("Authorization", f"Basic {token}"),)


def split_userinfo(url: str) -> tuple[str, Headers]:
    """Take user-info out of a URL; return both, the latter as Basic credentials."""
    parts = urlsplit(url)
    userinfo, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, ()
    username, _, password = userinfo.partition(":")
    headers = basic(unquote_to_bytes(username), unquote_to_bytes(password))
    return parts._replace(netloc=host).geturl(), headers


def userinfo_secrets(url: str) -> tuple[str, ...]:
    """Return what of a URL's user-info must not show, in each form that it takes."""
    userinfo, at, _ = urlsplit(url).netloc.rpartition("@")
    if not at:
        return ()
    _, ((_, header),) = split_userinfo(url)
    parts = userinfo.split(":", 1)
    decoded = [unquote_to_bytes(part).decode(errors="replace") for part in parts]
    return (*parts, *decoded, header.removeprefix("Basic "))
