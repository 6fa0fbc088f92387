"""Signatures of AWS, recomputed by another implementation."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_websocket.auth.aws import AwsSigner, Keys
from tap_websocket.errors import CredentialError
from tests.support.sigv4 import signature, signature_of_url

if TYPE_CHECKING:
    from pathlib import Path

_SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
_KEYS = Keys("AKIDEXAMPLE", _SECRET, None)
_NOW = 1_440_938_160.9  # 2015-08-30T12:36:00Z
_TIME = "20150830T123600Z"
_SCOPE = "20150830/us-east-1/service/aws4_request"


def test_the_other_implementation_is_as_the_test_suite_of_aws_says() -> None:
    headers = {"Host": "example.amazonaws.com", "X-Amz-Date": _TIME}
    url = "https://example.amazonaws.com/"
    assert signature(_SECRET, "GET", url, headers, b"", _SCOPE, _TIME) == (
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    )


@given(
    st.dictionaries(
        st.text("abcXYZ-_.~", min_size=1), st.text(st.characters(codec="utf-8"))
    )
)
def test_a_presigned_url_has_the_signature_that_a_server_computes(
    query: dict[str, str],
) -> None:
    from urllib.parse import urlencode  # noqa: PLC0415 - of this test alone

    url = f"wss://example.amazonaws.com/path/to?{urlencode(query)}"
    signed = AwsSigner("service", "us-east-1").presign(url, _KEYS, _NOW)
    found, wanted = signature_of_url(_SECRET, signed, "example.amazonaws.com")
    assert found == wanted
    pairs = dict(parse_qsl(urlsplit(signed).query, keep_blank_values=True))
    assert pairs["X-Amz-Date"] == _TIME
    assert query.items() <= pairs.items()


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("wss://example.com:443/x", "example.com"),
        ("wss://example.com:8443/x", "example.com:8443"),
        ("ws://127.0.0.1:8080", "127.0.0.1:8080"),
        ("ws://example.com:80/a%20b", "example.com"),
    ],
)
def test_the_host_is_signed_as_it_is_sent(url: str, host: str) -> None:
    signed = AwsSigner("service", "us-east-1").presign(url, _KEYS, _NOW)
    assert signed.startswith(url)
    found, wanted = signature_of_url(_SECRET, signed, host)
    assert found == wanted


def test_a_session_token_is_signed() -> None:
    keys = Keys("a", _SECRET, "tok/en+")
    signed = AwsSigner("transcribe", "us-east-1").presign("wss://h/x", keys, _NOW)
    assert "X-Amz-Security-Token=tok%2Fen%2B" in signed
    found, wanted = signature_of_url(_SECRET, signed, "h")
    assert found == wanted


def test_aws_iot_gets_the_session_token_behind_the_signature() -> None:
    keys = Keys("a", _SECRET, "tok/en+")
    signer = AwsSigner("iotdevicegateway", "us-east-1")
    signed = signer.presign("wss://h/mqtt", keys, _NOW)
    rest, token = signed.split("&X-Amz-Security-Token=")
    assert token == "tok%2Fen%2B"
    found, wanted = signature_of_url(_SECRET, rest, "h")
    assert found == wanted


def test_a_name_that_stands_twice_is_refused() -> None:
    with pytest.raises(CredentialError, match="a name twice"):
        AwsSigner("service", "us-east-1").presign("wss://h/?a=1&a=2", _KEYS, _NOW)


@pytest.mark.parametrize("token", [None, "tok/en"])
def test_signed_headers_are_those_of_a_post(token: str | None) -> None:
    keys = Keys("AKIDEXAMPLE", _SECRET, token)
    body = b'{"channel":"/default/x"}'
    signer = AwsSigner("appsync", "us-east-1")
    headers = signer.headers("wss://example.com/event", body, keys, _NOW)
    authorization = headers.pop("Authorization")
    assert headers["host"] == "example.com"
    assert headers.get("X-Amz-Security-Token") == token
    scope = "20150830/us-east-1/appsync/aws4_request"
    url = "https://example.com/event"
    wanted = signature(_SECRET, "POST", url, headers, body, scope, _TIME)
    names = ";".join(sorted(name.lower() for name in headers))
    assert authorization == (
        f"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{scope}, "
        f"SignedHeaders={names}, Signature={wanted}"
    )


def test_keys_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    keys = AwsSigner("service", "us-east-1").find_keys(None)
    assert (keys.access_key, keys.secret_key, keys.token) == ("key", "secret", "token")


def test_keys_come_from_a_profile(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "credentials"
    file.write_text("[feed]\naws_access_key_id = k\naws_secret_access_key = s\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    keys = AwsSigner("service", "us-east-1").find_keys("feed")
    assert (keys.access_key, keys.secret_key, keys.token) == ("k", "s", None)
    with pytest.raises(CredentialError, match="check profile"):
        AwsSigner("service", "us-east-1").find_keys("other")


def test_no_keys_anywhere_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(CredentialError, match="no AWS credentials"):
        AwsSigner("service", "us-east-1").find_keys(None)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore.auth", None)
    with pytest.raises(ValueError, match=r"pip install 'tap-websocket\[aws\]'"):
        AwsSigner("service", "us-east-1")
