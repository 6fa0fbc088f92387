"""Answers that come before the answer (RFC 9110, section 15.2)."""

from __future__ import annotations

import http.client
from http import HTTPStatus

__all__ = ["FinalResponse"]


class FinalResponse(http.client.HTTPResponse):
    """A response of the standard library, without the interim ones in front of it.

    CPython 3.11 to 3.14 skip `100 Continue` alone, and take `103 Early Hints` for the
    answer. `_read_status` is where they look for it.
    """

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            found: tuple[str, int, str]
            found = super()._read_status()  # type: ignore[misc]  # not in typeshed
            status = found[1]
            if not HTTPStatus.SWITCHING_PROTOCOLS < status < HTTPStatus.OK:
                return found
            http.client.parse_headers(self.fp)
