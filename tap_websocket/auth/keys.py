"""Keys that sign: secrets for HMAC, private keys as PEM."""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import TYPE_CHECKING, Literal

from tap_websocket.errors import extra_needed

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "EXTRA_NEEDED",
    "Algorithm",
    "Hash",
    "decode_secret",
    "load_private_key",
    "make_signer",
    "with_line_breaks",
]

Algorithm = Literal["hmac", "ed25519", "rsa"]
Hash = Literal["sha256", "sha384", "sha512"]

EXTRA_NEEDED = extra_needed("jwt")


def decode_secret(secret: str, encoding: Literal["text", "base64"]) -> bytes:
    """Return the key that the secret of `signed` stands for.

    Raises:
        ValueError: When it is not base64; the message does not show it.
    """
    if encoding == "text":
        return secret.encode()
    try:
        return base64.b64decode(secret, validate=True)
    except (binascii.Error, ValueError) as error:
        msg = "is not base64; check it, or set secret_encoding: text"
        raise ValueError(msg) from error


def make_signer(
    algorithm: Algorithm, key: bytes, hash_name: Hash
) -> Callable[[bytes], bytes]:
    """Return what signs a message.

    Args:
        algorithm: `hmac` (RFC 2104), `ed25519` (RFC 8032) or `rsa` (PKCS #1 v1.5,
            RFC 8017, section 8.2).
        key: The secret of `hmac`; else a private key in PEM.
        hash_name: The hash of `hmac` and `rsa`; Ed25519 has its own.

    Raises:
        ValueError: When the key is not one of the algorithm, or the extra is missing;
            the message does not show the key.
    """
    if algorithm == "hmac":
        return lambda message: hmac.new(key, message, hash_name).digest()
    try:
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - optional
        from cryptography.hazmat.primitives.asymmetric import (  # noqa: PLC0415
            ed25519,
            padding,
            rsa,
        )
    except ImportError as error:
        msg = f"the algorithm {algorithm} {EXTRA_NEEDED}"
        raise ValueError(msg) from error
    private = load_private_key(key)
    if algorithm == "ed25519" and isinstance(private, ed25519.Ed25519PrivateKey):
        return private.sign
    if algorithm == "rsa" and isinstance(private, rsa.RSAPrivateKey):
        digest = getattr(hashes, hash_name.upper())()
        return lambda message: private.sign(message, padding.PKCS1v15(), digest)
    kind = type(private).__name__.removesuffix("PrivateKey")
    msg = f"the key is of the kind {kind}, and the algorithm is {algorithm}"
    raise ValueError(msg)


def load_private_key(pem: bytes) -> object:
    """Return a private key without a password.

    Raises:
        ValueError: When it is none; the message does not show it.
    """
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - optional
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        load_pem_private_key,
    )

    try:
        return load_pem_private_key(with_line_breaks(pem), password=None)
    except TypeError as error:
        msg = "the key has a password; write it without one (openssl pkey)"
        raise ValueError(msg) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        msg = "the key is not a private key in PEM (-----BEGIN PRIVATE KEY-----)"
        raise ValueError(msg) from error


def with_line_breaks(pem: bytes) -> bytes:
    r"""Return a key whose line breaks are written `\n`, as key files in JSON are."""
    return pem.replace(rb"\n", b"\n")
