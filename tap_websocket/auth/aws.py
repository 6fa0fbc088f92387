"""Signature Version 4 of AWS, by botocore: presigned URLs and signed headers."""

from __future__ import annotations

import datetime as dt
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from tap_websocket.errors import CredentialError, extra_needed
from tap_websocket.network.urls import as_http, as_websocket

__all__ = ["AwsSigner", "Keys"]

_EXPIRES_SECONDS = 300
"""A presigned URL opens one connection; services take up to 300 s or more."""

_TOKEN_IS_NOT_SIGNED = frozenset({"iotdevicegateway", "iotdata"})
"""AWS IoT wants the session token behind the signature, and not in it."""

_APPSYNC_HEADERS = (
    ("accept", "application/json, text/javascript"),
    ("content-encoding", "amz-1.0"),
    ("content-type", "application/json; charset=UTF-8"),
)
"""What AppSync's clients sign ("Event API WebSocket protocol")."""


class Keys:
    """A key pair of AWS, with a session token if it is a temporary one.

    Named as botocore names them, which signs with any object that has these.
    """

    __slots__ = ("access_key", "secret_key", "token")

    def __init__(self, access_key: str, secret_key: str, token: str | None) -> None:
        self.access_key = access_key
        self.secret_key = secret_key
        self.token = token or None


class AwsSigner:
    """Signs for one service in one region.

    Args:
        service: As it stands in a credential scope: `transcribe`, `iotdevicegateway`,
            `execute-api`, `appsync`.
        region: `eu-central-1`.

    Raises:
        ValueError: When the extra is missing.
    """

    def __init__(self, service: str, region: str) -> None:
        try:
            import botocore.auth  # noqa: F401, PLC0415 - optional
        except ImportError as error:
            msg = f"type aws {extra_needed('aws')}"
            raise ValueError(msg) from error
        self._service = service
        self._region = region

    def find_keys(self, profile: str | None) -> Keys:
        """Return keys of botocore's own chain: environment, files, container, machine.

        May block, as some of these are asked over HTTP.

        Args:
            profile: A profile of the AWS configuration files, or None for the default.

        Raises:
            CredentialError: When there are none.
        """
        import botocore.exceptions  # noqa: PLC0415 - optional
        import botocore.session  # noqa: PLC0415 - optional

        try:
            session = botocore.session.Session(profile=profile)
            found = session.get_credentials()
            frozen = None if found is None else found.get_frozen_credentials()
        except botocore.exceptions.BotoCoreError as error:
            msg = "auth: AWS gives no credentials; check profile, or the environment"
            raise CredentialError(msg) from error
        if frozen is None:
            msg = (
                "auth: there are no AWS credentials; set access_key and secret_key, or "
                "profile, or the environment (AWS_ACCESS_KEY_ID)"
            )
            raise CredentialError(msg)
        return Keys(frozen.access_key, frozen.secret_key, frozen.token)

    def presign(self, url: str, keys: Keys, now: float) -> str:
        """Return a `wss://` or `ws://` URL with a signature in its query.

        Raises:
            CredentialError: When a name stands twice in its query: botocore 1.44 would
                drop one of them.
        """
        names = [name for name, _ in parse_qsl(urlsplit(url).query, True)]  # noqa: FBT003 - blank ones too
        if len(set(names)) < len(names):
            msg = "url: its query has a name twice, which aws cannot sign"
            raise CredentialError(msg)
        aside = keys.token if self._service in _TOKEN_IS_NOT_SIGNED else None
        if aside:
            keys = Keys(keys.access_key, keys.secret_key, None)
        # A scheme's own port is not signed, and botocore knows those of HTTP only.
        request = self._request("GET", as_http(url), (), b"")
        from botocore.auth import SigV4QueryAuth  # noqa: PLC0415 - optional

        signer = SigV4QueryAuth(
            keys, self._service, self._region, expires=_EXPIRES_SECONDS
        )
        _sign(signer, request, now)
        signed = as_websocket(request.url)
        return f"{signed}&X-Amz-Security-Token={quote(aside, '')}" if aside else signed

    def headers(self, url: str, body: bytes, keys: Keys, now: float) -> dict[str, str]:
        """Return the headers of a signed POST request, its `host` among them.

        No request is made: AppSync takes them in a subprotocol and in messages.

        Args:
            url: Address of the API: `https://`, or `wss://` as the connection's.
            body: What would be posted.
            keys: Sign it.
            now: The time in seconds since the epoch.
        """
        if url.startswith("ws"):
            url = as_http(url)
        request = self._request("POST", url, _APPSYNC_HEADERS, body)
        from botocore.auth import SigV4Auth  # noqa: PLC0415 - optional

        _sign(SigV4Auth(keys, self._service, self._region), request, now)
        headers = dict(request.headers.items())
        return {"host": urlsplit(url).netloc.rpartition("@")[2], **headers}

    @staticmethod
    def _request(
        method: str, url: str, headers: tuple[tuple[str, str], ...], body: bytes
    ) -> Any:  # noqa: ANN401 - of an optional package
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415 - optional

        return AWSRequest(method, url, headers=dict(headers), data=body)


def _sign(signer: Any, request: Any, now: float) -> None:  # noqa: ANN401 - of an optional package
    """Sign a request at a given time: `add_auth` of botocore 1.44 reads the clock."""
    time = dt.datetime.fromtimestamp(int(now), dt.UTC)
    request.context["timestamp"] = f"{time:%Y%m%dT%H%M%SZ}"
    signer._modify_request_before_signing(request)  # noqa: SLF001 - see above
    canonical = signer.canonical_request(request)
    signature = signer.signature(signer.string_to_sign(request, canonical), request)
    signer._inject_signature_to_request(request, signature)  # noqa: SLF001 - see above
