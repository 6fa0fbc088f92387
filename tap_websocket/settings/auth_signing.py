"""The types of `auth` that sign: their keys, and what goes with what."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

from tap_websocket.auth import keys
from tap_websocket.auth.aws import AwsSigner
from tap_websocket.auth.jwt import JwtSigner
from tap_websocket.auth.types import Aws, Jwt, Signed
from tap_websocket.settings.checks import check_http_url, check_names

__all__ = ["check_signing", "read_key"]


def read_key(given: dict[str, Any], problems: list[str]) -> str:
    """Return `key`, or what the file of `key_file` holds.

    Args:
        given: The keys of the setting; `key_file` is taken out.
        problems: Takes one line for each problem.
    """
    file = given.pop("key_file", None)
    if file is None:
        return str(given.get("key", ""))
    if "key" in given:
        problems.append("auth: has both key and key_file; give one of them")
    try:
        return Path(file).read_text(encoding="utf-8")
    except OSError as error:
        problems.append(
            f"auth.key_file: {file} cannot be read ({error.strerror}); give the path "
            "of the key"
        )
    except ValueError:
        problems.append(f"auth.key_file: {file} is no text; write the key as PEM")
    return ""


def check_signing(auth: Signed | Jwt | Aws, problems: list[str]) -> None:
    """Check the keys of a type that signs, and that its extra is installed.

    Args:
        auth: The setting.
        problems: Takes one line for each problem; none shows a key.
    """
    match auth:
        case Signed():
            _check_signed(auth, problems)
        case Jwt():
            _check_jwt(auth, problems)
        case Aws():
            _check_aws(auth, problems)


def _check_signed(auth: Signed, problems: list[str]) -> None:
    if auth.algorithm == "hmac":
        _check_secret(auth, problems)
    elif auth.algorithm not in get_args(keys.Algorithm):
        known = ", ".join(get_args(keys.Algorithm))
        problems.append(
            f"auth.algorithm: must be one of {known}; {auth.algorithm!r} was given"
        )
    elif auth.secret:
        problems.append(
            f"auth.secret: is for hmac; {auth.algorithm} takes key or key_file"
        )
    elif not auth.key:
        problems.append(f"auth: algorithm {auth.algorithm} needs key or key_file")
    else:
        try:
            keys.make_signer(auth.algorithm, auth.key.encode(), auth.hash)
        except ValueError as error:
            problems.append(f"auth: {error}")


def _check_secret(auth: Signed, problems: list[str]) -> None:
    if auth.key:
        problems.append(
            "auth.key: is for ed25519 and rsa; set algorithm, or give secret instead"
        )
    elif not auth.secret:
        problems.append("auth.secret: is missing or empty")
    else:
        try:
            keys.decode_secret(auth.secret, auth.secret_encoding)
        except ValueError as error:
            problems.append(f"auth.secret: {error}")


def _check_jwt(auth: Jwt, problems: list[str]) -> None:
    if not auth.key:
        problems.append("auth: type jwt needs key or key_file")
        return
    try:
        JwtSigner(auth.key.encode(), auth.algorithm)
    except ValueError as error:
        problems.append(f"auth: {error}")


def _check_aws(auth: Aws, problems: list[str]) -> None:
    try:
        AwsSigner(auth.service, auth.region)
    except ValueError as error:
        problems.append(f"auth: {error}")
    if bool(auth.access_key) != bool(auth.secret_key):
        problems.append("auth: access_key and secret_key go together; give both")
    elif auth.session_token and not auth.access_key:
        problems.append("auth.session_token: goes with access_key and secret_key")
    if auth.access_key and auth.profile:
        problems.append(
            "auth.profile: does not go with access_key and secret_key; remove one"
        )
    check_names("auth.bodies", auth.names, problems)
    if auth.http_url is None:
        if auth.bodies:
            problems.append(
                "auth.bodies: needs http_url, the address that they are posted to"
            )
    elif not auth.http_url.startswith("{"):
        check_http_url("auth.http_url", auth.http_url, problems)
