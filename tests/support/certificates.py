"""TLS contexts of an authority that was made for a test."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import trustme

__all__ = ["client_side", "server_side"]


def server_side(authority: trustme.CA, *names: str, **options: Any) -> ssl.SSLContext:
    """Return the context of a server with these names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, **options).configure_cert(context)
    return context


def client_side(authority: trustme.CA) -> ssl.SSLContext:
    """Return the context of a client that trusts the authority, too."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context
