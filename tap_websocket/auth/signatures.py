"""Signatures over a template that holds the time: logins and headers of exchanges."""

from __future__ import annotations

import base64
import hmac
from typing import TYPE_CHECKING, Any

from tap_websocket.auth.credentials import Credentials, Signed, decode_secret
from tap_websocket.expressions.placeholders import iso_time
from tap_websocket.expressions.templates import Template, names_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_websocket.expressions.placeholders import MessageBuiltins

__all__ = ["Signatures"]


class Signatures:
    """Signs the time of each connection attempt.

    Args:
        auth: The setting.

    Raises:
        ValueError: When its secret is not what `secret_encoding` says.
    """

    def __init__(self, auth: Signed) -> None:
        self._auth = auth
        self._key = decode_secret(auth.secret, auth.secret_encoding)
        self._template = Template(auth.template, names_in(auth.template))

    def credentials(
        self, values: Mapping[str, Any], moment: MessageBuiltins
    ) -> Credentials:
        """Return the timestamp and the signature of a moment."""
        timestamp = self._timestamp(moment.now + self._auth.timestamp_offset)
        message = self._template.render({**values, "timestamp": timestamp}, moment)
        mac = hmac.new(self._key, message.encode(), self._auth.hash).digest()
        signature = mac.hex()
        if self._auth.encoding == "base64":
            signature = base64.b64encode(mac).decode("ascii")
        return Credentials(
            values={"timestamp": timestamp, "signature": signature},
            secrets=(signature,),
        )

    def _timestamp(self, seconds: float) -> str:
        match self._auth.timestamp:
            case "s":
                return str(int(seconds))
            case "ms":
                return str(int(seconds * 1000))
            case "iso":
                return iso_time(seconds)

    def refresh(self, stale: Credentials) -> bool:  # noqa: ARG002 - protocol
        """Return False: the secret stays the same."""
        return False
