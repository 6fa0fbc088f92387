"""Handshakes that fail, and whose errors tell no secret."""

from __future__ import annotations

import traceback
from typing import Any

import pytest

from tap_websocket.network.errors import HandshakeError
from tests.support.connect import connect

__all__ = ["CREDENTIALS", "refused"]

CREDENTIALS = "us%40er:sEcr%C3%A9t"
HEADERS = (("X-Key", "tOkEn"),)
SECRETS = ("us%40er", "us@er", "sEcr", "dXNAZXI6c0Vjcs", "tOkEn", "pAth")


def refused(transport: str, url: str = "ws://feed.test/pAth", **options: Any) -> Any:
    """Return the error of a handshake with secrets in its path and headers."""
    with pytest.raises(HandshakeError) as caught:
        connect(transport, url, headers=HEADERS, **options)
    trace = "".join(traceback.format_exception(caught.value))
    for secret in SECRETS:
        assert secret not in trace
    return caught.value
