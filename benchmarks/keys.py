"""Private keys for recipes that sign what they send."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as ec_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["write_key"]


def write_key(kind: str, path: Path) -> None:
    """Write a new private key into a file.

    Args:
        kind: `ed25519` or `es256`.
        path: The file.
    """
    key = Ed25519PrivateKey.generate() if kind == "ed25519" else ec_key(SECP256R1())
    path.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
