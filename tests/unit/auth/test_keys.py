"""Signatures, as the vectors of their standards have them."""

from __future__ import annotations

import base64
import sys

import pytest

from tap_websocket.auth.keys import make_signer
from tests.support.keys import private_key

_MESSAGE = b"timestamp=1732500000000"


def test_hmac_is_as_rfc_4231_says() -> None:
    sign = make_signer("hmac", b"Jefe", "sha256")
    assert sign(b"what do ya want for nothing?").hex() == (
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    )


def test_ed25519_is_as_rfc_8032_says() -> None:
    seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
    der = bytes.fromhex(f"302e020100300506032b657004220420{seed}")
    text = base64.b64encode(der).decode()
    pem = f"-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n".encode()
    signature = make_signer("ed25519", pem, "sha256")(b"")
    assert signature.hex() == (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bac"
        "c61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )


def test_line_breaks_may_be_written_as_in_json() -> None:
    pem = private_key("ED25519")
    written = pem.replace(b"\n", rb"\n")
    one, other = (make_signer("ed25519", key, "sha256") for key in (pem, written))
    assert one(_MESSAGE) == other(_MESSAGE)


def test_a_key_of_another_kind_is_named() -> None:
    with pytest.raises(ValueError, match="of the kind RSA"):
        make_signer("ed25519", private_key("RSA"), "sha256")
    with pytest.raises(ValueError, match="of the kind Ed25519"):
        make_signer("rsa", private_key("ED25519"), "sha256")


def test_what_is_no_key_does_not_show() -> None:
    with pytest.raises(ValueError, match="not a private key in PEM") as error:
        make_signer("rsa", b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n", "sha256")
    assert "c2VjcmV0" not in str(error.value)


def test_a_key_with_a_password_is_named() -> None:
    pem = private_key("ED25519", b"secret")
    with pytest.raises(ValueError, match="has a password"):
        make_signer("ed25519", pem, "sha256")


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives", None)
    with pytest.raises(ValueError, match=r"pip install 'tap-websocket\[jwt\]'"):
        make_signer("ed25519", b"", "sha256")
