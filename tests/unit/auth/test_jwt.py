"""Tokens, read and verified by another library than the one that made them."""

from __future__ import annotations

import sys
import warnings
from decimal import Decimal
from typing import Any

import pytest
from joserfc import jwk
from joserfc import jwt as joserfc

from tap_websocket.auth.jwt import JwtSigner
from tap_websocket.errors import CredentialError
from tests.support.keys import private_key

_SECRET = b"0123456789abcdef0123456789abcdef"
_CURVES = frozenset({"ES256", "ES384", "ES512"})


def _read(token: str, key: bytes, algorithm: str) -> joserfc.Token:
    kind = jwk.OctKey
    if algorithm in _CURVES:
        kind = jwk.ECKey  # type: ignore[assignment]  # the kinds share a base
    elif algorithm == "EdDSA":
        kind = jwk.OKPKey  # type: ignore[assignment]  # the kinds share a base
    elif not algorithm.startswith("HS"):
        kind = jwk.RSAKey  # type: ignore[assignment]  # the kinds share a base
    with warnings.catch_warnings():
        # RFC 9864 renames EdDSA.
        warnings.simplefilter("ignore")
        return joserfc.decode(token, kind.import_key(key), algorithms=[algorithm])


@pytest.mark.parametrize(
    "algorithm",
    ["HS256", "HS512", "ES256", "ES384", "ES512", "EdDSA", "RS256", "PS512"],
)
def test_another_library_accepts_a_token(algorithm: str) -> None:
    key = _SECRET if algorithm.startswith("HS") else private_key(algorithm)
    signer = JwtSigner(key, algorithm)
    token = signer.token(
        {"kid": "organizations/1/apiKeys/2"},
        {"iss": "cdp", "sub": "organizations/1", "nbf": 1_700_000_000},
        now=1_700_000_000.9,
        lifetime=120,
    )
    found = _read(token, key, algorithm)
    assert found.header == {
        "alg": algorithm,
        "typ": "JWT",
        "kid": "organizations/1/apiKeys/2",
    }
    assert found.claims == {
        "iss": "cdp",
        "sub": "organizations/1",
        "nbf": 1_700_000_000,
        "iat": 1_700_000_000,
        "exp": 1_700_000_120,
    }


def test_claims_that_are_given_win() -> None:
    signer = JwtSigner(_SECRET, "HS256")
    claims = {"iat": None, "exp": 7, "rate": Decimal("0.10")}
    token = signer.token({}, claims, now=1.0, lifetime=120)
    assert _read(token, _SECRET, "HS256").claims == {"exp": 7, "rate": 0.1}


@pytest.mark.parametrize("headers", [{"kid": 7}, {"alg": "another"}])
def test_headers_that_no_token_has_are_named(headers: dict[str, Any]) -> None:
    signer = JwtSigner(_SECRET, "HS256")
    with pytest.raises(CredentialError, match=r"^auth\.headers: "):
        signer.token(headers, {}, now=1.0, lifetime=120)


def test_a_short_secret_is_taken_without_a_word() -> None:
    signer = JwtSigner(b"secret", "HS256")
    assert signer.token({}, {}, now=1.0, lifetime=120)


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "EdDSA", "RS256", "HS256"])
def test_a_key_of_another_algorithm_is_refused(algorithm: str) -> None:
    other = "ES512" if algorithm != "EdDSA" else "RS256"
    with pytest.raises(ValueError, match=f"not one of the algorithm {algorithm}"):
        JwtSigner(private_key(other), algorithm)


@pytest.mark.parametrize("algorithm", ["none", "es256", "X"])
def test_an_unknown_algorithm_is_refused(algorithm: str) -> None:
    with pytest.raises(ValueError, match="may be one of ES256"):
        JwtSigner(_SECRET, algorithm)


def test_what_is_no_key_does_not_show() -> None:
    with pytest.raises(ValueError, match="not one of the algorithm ES256") as error:
        JwtSigner(b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n", "ES256")
    assert "c2VjcmV0" not in str(error.value)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jwt", None)
    with pytest.raises(ValueError, match=r"pip install 'tap-websocket\[jwt\]'"):
        JwtSigner(_SECRET, "HS256")
