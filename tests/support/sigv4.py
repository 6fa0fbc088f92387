"""Signature Version 4 written down once more, to check what the tap signs.

After "Create a signed AWS API request" in AWS's documentation; its own test suite
checks it in turn.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["signature", "signature_of_url"]


def signature(
    secret: str,
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    scope: str,
    time: str,
) -> str:
    """Return the signature of a request.

    Args:
        secret: The secret key.
        method: Of the request.
        url: Its query must not hold the signature.
        headers: Those that are signed.
        body: Of the request.
        scope: `date/region/service/aws4_request`.
        time: `YYYYMMDDTHHMMSSZ`.
    """
    parts = urlsplit(url)
    pairs = sorted(
        (quote(name, safe=""), quote(value, safe=""))
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
    )
    lower = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
    names = sorted(lower)
    request = "\n".join(
        [
            method,
            quote(parts.path or "/", safe="/~"),
            "&".join(f"{name}={value}" for name, value in pairs),
            *(f"{name}:{lower[name]}" for name in names),
            "",
            ";".join(names),
            hashlib.sha256(body).hexdigest(),
        ]
    )
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{time}\n{scope}\n{digest}"
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), "sha256").digest()
    return hmac.new(key, text.encode(), "sha256").hexdigest()


def signature_of_url(secret: str, url: str, host: str) -> tuple[str, str]:
    """Return the signature in a presigned URL, and the one that it should have."""
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    query = dict(pairs)
    found = query["X-Amz-Signature"]
    signed = "&".join(
        f"{quote(name, safe='')}={quote(value, safe='')}"
        for name, value in pairs
        if name != "X-Amz-Signature"
    )
    scope = query["X-Amz-Credential"].partition("/")[2]
    plain = parts._replace(query=signed).geturl()
    wanted = signature(
        secret, "GET", plain, {"host": host}, b"", scope, query["X-Amz-Date"]
    )
    return found, wanted
