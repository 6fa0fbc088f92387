"""Credentials: the setting `auth`, and which keys each of its types takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from tap_websocket import jsontext
from tap_websocket.auth import keys
from tap_websocket.auth.types import (
    Auth,
    Aws,
    Basic,
    Bearer,
    Custom,
    Jwt,
    NoAuth,
    OAuth2,
    Signed,
    TokenEndpoint,
)
from tap_websocket.settings.auth_signing import check_signing, read_key
from tap_websocket.settings.checks import (
    CONTROL,
    check_endpoint,
    check_headers,
    check_http_url,
    check_names,
    check_placeholders,
    compile_checked,
)
from tap_websocket.settings.declare import (
    JSON,
    STRING,
    STRING_MAP,
    choice,
    group,
    number,
    seconds,
    setting,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from tap_websocket.jsontext import JsonValue, Schema

__all__ = ["DECLARATIONS", "read_auth"]

_YEAR = 366 * 86400
"""Seconds. Any more away from now, and dates end somewhere."""


_KEYS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "none": ((), ()),
    "bearer": (("token",), ()),
    "custom": (("headers",), ()),
    "basic": (("username", "password"), ()),
    "oauth2": (
        ("token_url", "client_id", "client_secret"),
        ("scope", "audience", "refresh_token"),
    ),
    "token_endpoint": (("url", "values"), ("method", "headers", "body")),
    "signed": (
        ("template",),
        (
            "secret",
            "key",
            "key_file",
            "algorithm",
            "hash",
            "encoding",
            "secret_encoding",
            "timestamp",
            "timestamp_offset",
        ),
    ),
    "jwt": (("algorithm",), ("key", "key_file", "headers", "claims", "lifetime")),
    "aws": (
        ("service", "region"),
        (
            "access_key",
            "secret_key",
            "session_token",
            "profile",
            "http_url",
            "bodies",
        ),
    ),
}
"""The keys that a type needs, and those that it may have."""


_AWS_HEADERS = {"aws_headers": "{}"}
"""What AppSync wants signed of a connection: the headers of an empty request."""


def _choice_of(key: str) -> Schema:
    """Return the schema of a key of `signed` that takes one of several words."""
    return choice(*get_args(get_type_hints(Signed, vars(keys))[key]))


DECLARATIONS = group(
    "Connection",
    auth=setting(
        {
            "type": "object",
            "required": ["type"],
            "properties": {
                "type": choice(*_KEYS),
                "token": STRING,
                "headers": STRING_MAP,
                "username": STRING,
                "password": STRING,
                "token_url": STRING,
                "client_id": STRING,
                "client_secret": STRING,
                "scope": STRING,
                "audience": STRING,
                "refresh_token": STRING,
                "url": STRING,
                "method": STRING,
                "body": JSON,
                "values": STRING_MAP,
                "secret": STRING,
                "template": STRING,
                "hash": _choice_of("hash"),
                "encoding": _choice_of("encoding"),
                "secret_encoding": _choice_of("secret_encoding"),
                "timestamp": _choice_of("timestamp"),
                "timestamp_offset": number(_YEAR),
                "key": STRING,
                "key_file": STRING,
                "algorithm": STRING,
                "claims": {"type": "object"},
                "lifetime": seconds(),
                "service": STRING,
                "region": STRING,
                "access_key": STRING,
                "secret_key": STRING,
                "session_token": STRING,
                "profile": STRING,
                "http_url": STRING,
                "bodies": {"type": "object", "additionalProperties": JSON},
            },
        },
        "Credentials, resolved on every connect; an `oauth2` token is kept while it is "
        "valid. `type` is one of `none`; `bearer` (`token`); `custom` (`headers`); "
        "`basic` (`username`, `password`); `oauth2` (`token_url`, `client_id`, "
        "`client_secret`, `scope`, `audience`, `refresh_token`); `token_endpoint` "
        "(`url`, `method`, `headers`, `body`, and `values`: name to JSONPath into the "
        "reply); `signed` (`secret`, or `algorithm` and `key` or `key_file`; "
        "`template`, `hash`, `encoding`, `secret_encoding`, `timestamp`, "
        "`timestamp_offset`); `jwt` (`key` or `key_file`, `algorithm`, `headers`, "
        "`claims`, `lifetime`); `aws` (`service`, `region`, `access_key`, "
        "`secret_key`, `session_token`, `profile`, `http_url`, `bodies`). The "
        "keys are explained in [Credentials](https://github.com/tap-websocket/"
        "tap-websocket/blob/main/docs/feeds.md#credentials).",
        default={"type": "none"},
        secret=True,
    ),
)


def read_auth(
    given: Mapping[str, Any],
    declared: Collection[str],
    problems: list[str],
) -> Auth:
    """Read the setting `auth`.

    Args:
        given: The setting, with its types.
        declared: The names that are placeholders in it.
        problems: Takes one line for each problem.
    """
    kind = given["type"]
    needed, optional = _KEYS[kind]
    found = [f"auth: type {kind} needs {key}" for key in needed if key not in given]
    takes = ", ".join((*needed, *optional)) or "nothing else"
    found += [
        f"auth: type {kind} has no key {key!r}; it takes {takes}"
        for key in given
        if key not in {"type", *needed, *optional}
    ]
    if not found:
        auth = _make(kind, {key: given[key] for key in given if key != "type"}, found)
    if not found:
        _check(auth, declared, found)
        if not found:
            return auth
    problems += found
    return NoAuth()


def _make(kind: str, given: dict[str, Any], problems: list[str]) -> Auth:
    if kind == "custom":
        return Custom(tuple(given["headers"].items()))
    if kind in {"signed", "jwt"}:
        given["key"] = read_key(given, problems)
    if kind == "signed":
        return Signed(**{"secret": "", **given})
    if kind == "jwt":
        headers = given.pop("headers", {})
        return Jwt(**given, given=headers)
    if kind == "aws":
        bodies = given.pop("bodies", _AWS_HEADERS if "http_url" in given else {})
        texts = ((name, _body_text(body)) for name, body in bodies.items())
        return Aws(**given, bodies=tuple(texts))
    if kind == "token_endpoint":
        headers = given.pop("headers", {})
        values = given.pop("values")
        return TokenEndpoint(
            **given,
            values=tuple(values.items()),
            given=tuple(headers.items()),
        )
    plain: Mapping[str, type[Auth]] = {
        "none": NoAuth,
        "bearer": Bearer,
        "basic": Basic,
        "oauth2": OAuth2,
    }
    return plain[kind](**given)


def _body_text(body: JsonValue) -> str:
    """Return a body of `aws` as it is signed; JSON is compact."""
    return jsontext.text_of(body)


def _check(auth: Auth, declared: Collection[str], problems: list[str]) -> None:
    for path, text in auth.texts:
        extra = {"timestamp"} if isinstance(auth, Signed) else set()
        check_placeholders(path, text, {*declared, *extra}, problems)
    match auth:
        case Bearer():
            if not auth.token or CONTROL.search(auth.token):
                problems.append(
                    "auth.token: must be a token without line breaks; the one given "
                    "is empty or holds one",
                )
        case Basic():
            if ":" in auth.username:
                problems.append(
                    "auth.username: holds a colon, which Basic credentials cannot "
                    "carry; use type custom with a header of your own",
                )
        case Custom():
            check_headers("auth.headers", dict(auth.given), problems)
        case OAuth2():
            check_http_url("auth.token_url", auth.token_url, problems)
        case TokenEndpoint():
            _check_endpoint(auth, problems)
        case Signed() | Jwt() | Aws():
            check_signing(auth, problems)


def _check_endpoint(auth: TokenEndpoint, problems: list[str]) -> None:
    check_endpoint("auth", auth.url, auth.method, dict(auth.given), problems)
    if not auth.values:
        problems.append("auth.values: is empty; name at least one value of the reply")
    check_names("auth.values", auth.names, problems)
    for name, path in auth.values:
        compile_checked(f"auth.values.{name}", path, problems)
