"""JSON Web Tokens (RFC 7519), signed by PyJWT."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from tap_websocket import jsontext
from tap_websocket.auth.keys import EXTRA_NEEDED, with_line_breaks
from tap_websocket.errors import CredentialError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["JwtSigner"]


class JwtSigner:
    """Makes tokens with one key.

    Args:
        key: The secret of the `HS…` algorithms, else a private key in PEM.
        algorithm: Its registered name (RFC 7518, section 3.1; RFC 8037): `ES256`.

    Raises:
        ValueError: When there is no such algorithm, the key is not one of it, or the
            extra is missing; the message does not show the key.
    """

    def __init__(self, key: bytes, algorithm: str) -> None:
        jws, self._refusal = _library()
        if algorithm not in jws.get_algorithms() or algorithm == "none":
            known = ", ".join(sorted(set(jws.get_algorithms()) - {"none"}))
            msg = f"algorithm: {algorithm!r} is unknown; it may be one of {known}"
            raise ValueError(msg)
        if not algorithm.startswith("HS"):
            key = with_line_breaks(key)
        prepared = _prepared(jws, algorithm, key)
        self._sign: Callable[..., str] = jws.encode
        self._key = prepared
        self._algorithm = algorithm

    def token(
        self,
        headers: Mapping[str, Any],
        claims: Mapping[str, Any],
        *,
        now: float,
        lifetime: float,
    ) -> str:
        """Return a token.

        Args:
            headers: Besides `alg` and `typ`: `kid` and the like.
            claims: What it says. `iat` and `exp` are added where they are missing; null
                leaves one out.
            now: The time in seconds since the epoch.
            lifetime: Seconds from now to `exp`.

        Raises:
            CredentialError: When no token can have these headers.
        """
        times = {"iat": int(now), "exp": int(now + lifetime)}
        merged = {**times, **claims}
        for name in times:
            if merged[name] is None:
                del merged[name]
        # As bytes: PyJWT writes no Decimal.
        payload = jsontext.dumps(merged)
        try:
            return self._sign(
                payload, self._key, self._algorithm, headers=dict(headers)
            )
        except (self._refusal, NotImplementedError) as error:
            msg = f"auth.headers: no token can have these ({error}); kid is a string"
            raise CredentialError(msg) from error


def _library() -> tuple[Any, type[Exception]]:
    """Return what signs, and the errors that it raises.

    Raises:
        ValueError: When the extra is missing.
    """
    try:
        import jwt  # noqa: PLC0415 - optional
    except ImportError as error:
        msg = f"type jwt {EXTRA_NEEDED}"
        raise ValueError(msg) from error
    return jwt.PyJWS(), jwt.PyJWTError


def _prepared(jws: Any, algorithm: str, key: bytes) -> Any:  # noqa: ANN401 - of an optional package
    import jwt  # noqa: PLC0415 - optional

    try:
        method = jws.get_algorithm_by_name(algorithm)
        prepared = method.prepare_key(key)
        # Ed25519's and each curve's key are told apart by use only.
        method.sign(b"", prepared)
    except NotImplementedError as error:
        msg = f"algorithm: {algorithm} {EXTRA_NEEDED}"
        raise ValueError(msg) from error
    except (jwt.InvalidKeyError, ValueError, TypeError, AttributeError) as error:
        # The libraries' words may hold parts of the key.
        msg = f"the key is not one of the algorithm {algorithm}: check key or key_file"
        raise ValueError(msg) from error
    # The user does not choose how long a server's keys are.
    warnings.filterwarnings("ignore", category=jwt.InsecureKeyLengthWarning)
    return prepared
