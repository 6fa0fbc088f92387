"""The setting `auth`: what is given, and what is made of it without a request."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING, Any

import pytest

from tap_websocket.auth import types as auth
from tap_websocket.auth.authenticator import Authenticator
from tap_websocket.auth.credentials import Credentials
from tap_websocket.auth.keys import decode_secret
from tap_websocket.errors import ConnectionFailed
from tap_websocket.expressions.placeholders import ConnectionBuiltins
from tap_websocket.http.client import HttpClient
from tap_websocket.network import urls

if TYPE_CHECKING:
    from tap_websocket.expressions.placeholders import MessageBuiltins

_NOW = 1718000000.1239


@pytest.fixture
def moment() -> MessageBuiltins:
    return ConnectionBuiltins(clock=lambda: _NOW).moment()


def _authenticator(setting: auth.Auth) -> Authenticator:
    return Authenticator(setting, HttpClient(1))


def test_no_credentials(moment: MessageBuiltins) -> None:
    setting = auth.NoAuth()
    authenticator = _authenticator(setting)
    credentials = authenticator.credentials({}, moment)
    assert (credentials.headers, credentials.values) == ((), {})
    assert setting.names == frozenset()
    assert (*setting.secrets, *credentials.secrets) == ()
    assert not authenticator.refresh(credentials)


def test_a_bearer_token_is_a_header_and_a_value(moment: MessageBuiltins) -> None:
    setting = auth.Bearer("t0ken")
    authenticator = _authenticator(setting)
    credentials = authenticator.credentials({}, moment)
    assert credentials.headers == (("Authorization", "Bearer t0ken"),)
    assert credentials.values == {"token": "t0ken"}
    assert setting.names == {"token"}
    assert setting.secrets == ("t0ken",)
    assert not authenticator.refresh(credentials)


def test_custom_headers_take_placeholders(moment: MessageBuiltins) -> None:
    setting = auth.Custom((("X-Key", "k-{key}"), ("X-Time", "{$now_s}")))
    authenticator = _authenticator(setting)
    credentials = authenticator.credentials({"key": "abc"}, moment)
    assert credentials.headers == (("X-Key", "k-abc"), ("X-Time", "1718000000"))
    assert "k-abc" in credentials.secrets
    assert setting.texts == (
        ("auth.headers.X-Key", "k-{key}"),
        ("auth.headers.X-Time", "{$now_s}"),
    )
    with pytest.raises(ConnectionFailed, match=r"auth\.headers: the value of X-Key"):
        authenticator.credentials({"key": "a\r\nb"}, moment)


def test_basic_credentials_are_utf8(moment: MessageBuiltins) -> None:
    setting = auth.Basic("jürgen", "pass:wörd")
    authenticator = _authenticator(setting)
    encoded = base64.b64encode("jürgen:pass:wörd".encode()).decode()
    credentials = authenticator.credentials({}, moment)
    assert credentials.headers == (("Authorization", f"Basic {encoded}"),)
    assert set(setting.secrets) == {"jürgen", "pass:wörd", encoded}


@pytest.mark.parametrize("hashed", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize("encoding", ["base64", "hex"])
def test_signs(hashed: Any, encoding: Any, moment: MessageBuiltins) -> None:
    setting = auth.Signed(
        "s3cret",
        "{timestamp}GET/users/self/verify{key}",
        hash=hashed,
        encoding=encoding,
    )
    authenticator = _authenticator(setting)
    credentials = authenticator.credentials({"key": "ü"}, moment)
    text = "1718000000GET/users/self/verifyü".encode()
    mac = hmac.new(b"s3cret", text, getattr(hashlib, hashed))
    expected = (
        mac.hexdigest()
        if encoding == "hex"
        else base64.b64encode(mac.digest()).decode()
    )
    assert credentials.values == {"timestamp": "1718000000", "signature": expected}
    assert credentials.headers == ()
    assert setting.names == {"timestamp", "signature"}
    assert {"s3cret", expected} <= {*setting.secrets, *credentials.secrets}
    assert not authenticator.refresh(credentials)


@pytest.mark.parametrize(
    ("timestamp", "offset", "expected"),
    [
        ("s", 0, "1718000000"),
        ("s", 10, "1718000010"),
        ("ms", 0.5, "1718000000623"),
        ("iso", 0, "2024-06-10T06:13:20.123Z"),
        ("iso", -0.2, "2024-06-10T06:13:19.923Z"),
    ],
)
def test_timestamps(
    timestamp: Any,
    offset: float,
    expected: str,
    moment: MessageBuiltins,
) -> None:
    setting = auth.Signed(
        "s", "{timestamp}", timestamp=timestamp, timestamp_offset=offset
    )
    credentials = _authenticator(setting).credentials({}, moment)
    assert credentials.values["timestamp"] == expected


def test_a_header_of_a_token_may_be_a_fraction(moment: MessageBuiltins) -> None:
    setting = auth.Jwt("0123456789abcdef" * 2, "HS256", given={"v": 1.5})
    token = _authenticator(setting).credentials({}, moment).values["jwt"]
    head = token.partition(".")[0]
    assert b'"v":1.5' in base64.urlsafe_b64decode(head + "==")


def test_a_secret_may_be_base64(moment: MessageBuiltins) -> None:
    key = b"\x00\xffkey"
    secret = base64.b64encode(key).decode()
    setting = auth.Signed(secret, "x", secret_encoding="base64", encoding="hex")
    credentials = _authenticator(setting).credentials({}, moment)
    assert credentials.values["signature"] == hmac.new(key, b"x", "sha256").hexdigest()


def test_a_secret_that_is_no_base64_is_not_shown() -> None:
    with pytest.raises(ValueError, match="is not base64") as caught:
        decode_secret("s3cret!", "base64")
    assert "s3cret" not in str(caught.value)
    assert decode_secret("s3cret!", "text") == b"s3cret!"


@pytest.mark.parametrize(
    ("url", "without", "userinfo"),
    [
        ("wss://h:1/p?q", "wss://h:1/p?q", None),
        ("wss://u:p@h:1/p?q", "wss://h:1/p?q", b"u:p"),
        ("wss://u%40x:p%2F%C3%BC@h", "wss://h", "u@x:p/ü".encode()),
        ("wss://u@h", "wss://h", b"u:"),
    ],
)
def test_userinfo_becomes_a_header(
    url: str,
    without: str,
    userinfo: bytes | None,
) -> None:
    found, headers = urls.split_userinfo(url)
    assert found == without
    if userinfo is None:
        assert headers == ()
    else:
        encoded = base64.b64encode(userinfo).decode()
        assert headers == (("Authorization", f"Basic {encoded}"),)
        assert encoded in urls.userinfo_secrets(url)


def test_every_given_string_is_a_secret() -> None:
    oauth2 = auth.OAuth2("https://h/t?x=y", "id", "sec", "scope", "aud", "ref")
    assert {"id", "sec", "scope", "aud", "ref"} < set(oauth2.secrets)
    assert {"https://h/t?x=y", "/t?x=y"} < set(oauth2.secrets)
    endpoint = auth.TokenEndpoint(
        "https://u:p@h/",
        (("token", "$.token"),),
        given=(("X-Key", "abc"),),
        body={"user": ["me", {"k": 1}]},
    )
    assert {"u", "p", "abc", "me", "user", "k"} < set(endpoint.secrets)
    assert "https://u:p@h/" not in endpoint.secrets
    assert endpoint.names == {"token"}
    assert [where for where, _ in endpoint.texts] == [
        "auth.url",
        "auth.headers.X-Key",
        *["auth.body"] * 3,
    ]


@pytest.mark.parametrize(
    "setting",
    [
        auth.Bearer("hidden"),
        auth.Basic("hidden", "hidden"),
        auth.Custom((("X", "hidden"),)),
        auth.OAuth2("hidden", "hidden", "hidden", "hidden", "hidden", "hidden"),
        auth.TokenEndpoint("hidden", (), given=(("X", "hidden"),), body="hidden"),
        auth.Signed("hidden", "hidden"),
        Credentials((("X", "hidden"),), {"x": "hidden"}, ("hidden",)),
    ],
)
def test_no_secret_shows_in_a_traceback(setting: object) -> None:
    assert "hidden" not in repr(setting)
