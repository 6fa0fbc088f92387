"""Signatures, verified by `openssl`."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tap_websocket.auth.keys import Hash, make_signer
from tests.support.keys import private_key

if TYPE_CHECKING:
    from pathlib import Path

_MESSAGE = b"timestamp=1732500000000"


def _openssl(*arguments: str, stdin: bytes = b"") -> bytes:
    command = ["openssl", *arguments]
    return subprocess.run(command, input=stdin, check=True, capture_output=True).stdout


@pytest.mark.parametrize("hash_name", ["sha256", "sha384", "sha512"])
def test_openssl_accepts_signatures_of_rsa(tmp_path: Path, hash_name: Hash) -> None:
    pem = private_key("RSA")
    private, message, signature = (tmp_path / name for name in ("key", "msg", "sig"))
    private.write_bytes(pem)
    message.write_bytes(_MESSAGE)
    signature.write_bytes(make_signer("rsa", pem, hash_name)(_MESSAGE))
    verdict = _openssl(
        "dgst",
        f"-{hash_name}",
        "-prverify",
        str(private),
        "-signature",
        str(signature),
        str(message),
    )
    assert verdict == b"Verified OK\n"


def test_openssl_accepts_signatures_of_ed25519(tmp_path: Path) -> None:
    pem = private_key("ED25519")
    private, message, signature = (tmp_path / name for name in ("key", "msg", "sig"))
    private.write_bytes(pem)
    message.write_bytes(_MESSAGE)
    signature.write_bytes(make_signer("ed25519", pem, "sha256")(_MESSAGE))
    _openssl(
        "pkeyutl",
        "-verify",
        "-rawin",
        "-inkey",
        str(private),
        "-in",
        str(message),
        "-sigfile",
        str(signature),
    )
