"""Credentials to headers."""

from __future__ import annotations

import base64
import dataclasses
from urllib.parse import unquote_to_bytes, urlsplit

__all__ = ["Auth", "Bearer", "Custom", "NoAuth", "basic", "split_userinfo"]

Headers = tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True, slots=True)
class NoAuth:
    """No credentials."""

    def headers(self) -> Headers:
        """Return the headers that carry the credentials."""
        return ()


@dataclasses.dataclass(frozen=True, slots=True)
class Bearer:
    """A bearer token (RFC 6750)."""

    token: str = dataclasses.field(repr=False)

    def headers(self) -> Headers:
        """Return the headers that carry the credentials."""
        return (("Authorization", f"Bearer {self.token}"),)


@dataclasses.dataclass(frozen=True, slots=True)
class Custom:
    """Headers as they are."""

    given: Headers = dataclasses.field(repr=False)

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
