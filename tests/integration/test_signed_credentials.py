"""Credentials that are signed: private keys, JSON Web Tokens, AWS."""

from __future__ import annotations

import base64
import json
import subprocess
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc import jwk
from joserfc import jwt as joserfc

from tap_websocket.errors import ConfigError
from tests.support.receive import make_settings, receive
from tests.support.scripts import sends
from tests.support.servers import Kind, Peer, serve
from tests.support.sigv4 import signature, signature_of_url
from tests.support.tap import run_tap

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("each_transport")

_AWS = {
    "type": "aws",
    "service": "transcribe",
    "region": "eu-central-1",
    "access_key": "AKIDEXAMPLE",
    "secret_key": "wJalrXUtnFEMI/K7MDENG",
}


def _pem(algorithm: str, *options: str) -> str:
    command = ["openssl", "genpkey", "-algorithm", algorithm, *options]
    made = subprocess.run(command, check=True, capture_output=True, text=True)
    return made.stdout


def _sent(count: int, kind: Kind = "aiohttp", **given: Any) -> tuple[Peer, list[Any]]:
    """Run the tap on a feed that takes messages; return the peer, and what it took."""
    taken: list[Any] = []

    async def script(peer: Peer) -> None:
        while len(taken) < count:
            taken.append(json.loads(await peer.recv()))
        await peer.send('{"n":1}')
        await peer.close()
        await peer.wait()

    with serve(script, kind) as server:
        run = receive(**{"url": server.url, **given})
    assert run.error is None, run.error
    return server.peers[0], taken


def _claims(token: str, key: Any) -> joserfc.Token:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # RFC 9864 renames EdDSA
        return joserfc.decode(token, key, algorithms=["ES256", "EdDSA", "HS256"])


def test_binance_s_logon_with_ed25519(kind: Kind) -> None:
    pem = _pem("ED25519")
    logon = {
        "method": "session.logon",
        "params": {
            "apiKey": "{api_key}",
            "timestamp": "{timestamp}",
            "signature": "{signature}",
        },
    }
    _, (sent,) = _sent(
        1,
        kind,
        placeholders={"api_key": "k"},
        auth={
            "type": "signed",
            "algorithm": "ed25519",
            "key": pem,
            "timestamp": "ms",
            "template": "apiKey={api_key}&timestamp={timestamp}",
        },
        subscribe_messages=[{"message": logon}],
    )
    params = sent["params"]
    signed = f"apiKey=k&timestamp={params['timestamp']}".encode()
    public: Any = load_pem_private_key(pem.encode(), None)
    # It raises where the signature is another one.
    public.public_key().verify(base64.b64decode(params["signature"]), signed)


def test_each_message_has_a_signature_of_its_own() -> None:
    message = {"message": {"t": "{timestamp}", "s": "{signature}"}}
    peer, sent = _sent(
        3,
        headers={"X-Time": "{timestamp}", "X-Sign": "{signature}"},
        auth={
            "type": "signed",
            "secret": "s",
            "template": "{timestamp}",
            "timestamp": "ms",
            "encoding": "hex",
        },
        subscribe_messages=[message] * 3,
        subscribe_interval=0.05,
    )
    pairs = [(one["t"], one["s"]) for one in sent]
    pairs.append((peer.headers["x-time"], peer.headers["x-sign"]))
    assert len({time for time, _ in pairs}) == 4
    for time, signed in pairs:
        command = ["openssl", "dgst", "-sha256", "-hmac", "s", "-r"]
        made = subprocess.run(
            command, input=time.encode(), check=True, capture_output=True
        )
        assert made.stdout.split()[0].decode() == signed


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "HS256"])
def test_each_use_has_a_token_of_its_own(algorithm: str, kind: Kind) -> None:
    secret = "0123456789abcdef0123456789abcdef"
    kinds: dict[str, tuple[str, Any]] = {
        "ES256": (_pem("EC", "-pkeyopt", "ec_paramgen_curve:P-256"), jwk.ECKey),
        "EdDSA": (_pem("ED25519"), jwk.OKPKey),
        "HS256": (secret, jwk.OctKey),
    }
    key, reader = kinds[algorithm]
    peer, sent = _sent(
        2,
        kind,
        headers={"Authorization": "Bearer {jwt}"},
        placeholders={"key_name": "organizations/1"},
        auth={
            "type": "jwt",
            "algorithm": algorithm,
            "key": key,
            "headers": {"kid": "{key_name}"},
            "claims": {
                "iss": "cdp",
                "sub": "{key_name}",
                "nbf": "{$now_s}",
                "jti": "{$uuid}",
            },
            "lifetime": 60,
        },
        subscribe_messages=[
            {"message": {"channel": name, "jwt": "{jwt}"}} for name in "ab"
        ],
    )
    tokens = [
        peer.headers["authorization"].removeprefix("Bearer "),
        *(message["jwt"] for message in sent),
    ]
    read = [_claims(token, reader.import_key(key)) for token in tokens]
    assert len({token.claims["jti"] for token in read}) == 3
    for token in read:
        assert token.header["kid"] == "organizations/1"
        assert token.claims["sub"] == "organizations/1"
        assert isinstance(token.claims["nbf"], int)
        assert token.claims["exp"] - token.claims["iat"] == 60


def test_a_reply_has_a_token_of_its_own() -> None:
    secret = "0123456789abcdef0123456789abcdef"
    taken: list[str] = []

    async def script(peer: Peer) -> None:
        for _ in range(2):
            await peer.send('{"type":"refresh"}')
            taken.append(str(await peer.recv()))
        await peer.close()
        await peer.wait()

    with serve(script) as server:
        run = receive(
            url=server.url,
            auth={
                "type": "jwt",
                "algorithm": "HS256",
                "key": secret,
                "claims": {"jti": "{$uuid}"},
            },
            message_rules=[
                {"match": {"type": "refresh"}, "then": "ignore", "reply": "{jwt}"}
            ],
        )
    assert run.error is None
    read = [_claims(token, jwk.OctKey.import_key(secret)) for token in taken]
    assert len({token.claims["jti"] for token in read}) == 2


def test_aws_signs_the_url(kind: Kind) -> None:
    with serve(sends('{"n":1}'), kind) as server:
        url = f"{server.url}stream?language-code=en-US"
        run = receive(url=url, auth={**_AWS, "session_token": "tok/en"})
    assert run.error is None
    peer = server.peers[0]
    found, wanted = signature_of_url(
        _AWS["secret_key"], f"ws://h{peer.path}", peer.headers["host"]
    )
    assert found == wanted
    assert "language-code=en-US" in peer.path


def test_aws_signs_headers_for_appsync() -> None:
    channel = {"channel": "/default/{name}"}
    _, (sent,) = _sent(
        1,
        placeholders={"name": "x"},
        auth={
            **_AWS,
            "service": "appsync",
            "http_url": "https://h.appsync-api.eu-central-1.amazonaws.com/event",
            "bodies": {"subscribe_headers": channel},
        },
        subscribe_messages=[
            {"message": {"type": "subscribe", "authorization": "{subscribe_headers}"}}
        ],
    )
    headers = sent["authorization"]
    authorization = headers.pop("Authorization")
    time = headers["X-Amz-Date"]
    wanted = signature(
        _AWS["secret_key"],
        "POST",
        "https://h.appsync-api.eu-central-1.amazonaws.com/event",
        headers,
        b'{"channel":"/default/x"}',
        f"{time[:8]}/eu-central-1/appsync/aws4_request",
        time,
    )
    assert authorization.endswith(f"Signature={wanted}")


@pytest.mark.parametrize(
    ("auth", "line"),
    [
        ({"type": "signed", "template": "t"}, "auth.secret: is missing or empty"),
        (
            {"type": "signed", "template": "t", "algorithm": "dsa", "key": "k"},
            "auth.algorithm: must be one of hmac, ed25519, rsa; 'dsa' was given",
        ),
        (
            {"type": "signed", "template": "t", "algorithm": "rsa", "secret": "s"},
            "auth.secret: is for hmac; rsa takes key or key_file",
        ),
        (
            {"type": "signed", "template": "t", "algorithm": "rsa"},
            "auth: algorithm rsa needs key or key_file",
        ),
        (
            {"type": "signed", "template": "t", "algorithm": "rsa", "key": "k-e-y"},
            "not a private key in PEM",
        ),
        (
            {"type": "signed", "template": "t", "key": "k-e-y"},
            "auth.key: is for ed25519",
        ),
        ({"type": "jwt", "algorithm": "ES256"}, "type jwt needs key or key_file"),
        ({"type": "jwt", "algorithm": "X", "key": "k-e-y"}, "'X' is unknown"),
        ({"type": "jwt", "algorithm": "ES256", "key": "k-e-y"}, "the algorithm ES256"),
        (
            {"type": "jwt", "algorithm": "HS256", "key_file": "no/such"},
            "auth.key_file: no/such cannot be read",
        ),
        (
            {
                "type": "jwt",
                "algorithm": "HS256",
                "key": "k-e-y",
                "claims": {"a": "{x}"},
            },
            r"auth.claims: \{x\} is declared nowhere",
        ),
        ({"type": "aws", "service": "s"}, "type aws needs region"),
        ({**_AWS, "secret_key": ""}, "access_key and secret_key go together"),
        ({**_AWS, "bodies": {"a": "{}"}}, "auth.bodies: needs http_url"),
        ({**_AWS, "http_url": "wss://h/"}, "auth.http_url: must be a URL"),
        ({**_AWS, "profile": "p"}, "auth.profile"),
    ],
)
def test_wrong_keys_are_one_line(auth: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError, match=line) as error:
        make_settings(auth=auth)
    assert "k-e-y" not in str(error.value)


def test_a_key_comes_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_text(_pem("ED25519"), encoding="ascii")
    settings = make_settings(
        auth={
            "type": "signed",
            "algorithm": "ed25519",
            "key_file": str(file),
            "template": "{timestamp}",
        }
    )
    lines = file.read_text(encoding="ascii").splitlines()
    assert lines[1] in settings.secrets


def test_no_key_token_or_signature_shows_at_debug_level(
    tmp_path: Path,
) -> None:
    loud = {"TAP_WEBSOCKET_LOGLEVEL": "DEBUG", "LOGLEVEL": "DEBUG"}
    pem = _pem("EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    taken: list[str] = []

    async def script(peer: Peer) -> None:
        taken.append(str(await peer.recv()))
        # Servers repeat what they were sent.
        await peer.send(json.dumps({"error": taken[-1], "path": peer.path}))
        await peer.wait()

    jwt = {
        "type": "jwt",
        "algorithm": "ES256",
        "key": pem,
        "claims": {"sub": "the-subject"},
    }
    headers = {
        **_AWS,
        "http_url": "https://localhost/event",
        "bodies": {"jwt": "{}"},
    }
    for auth in (jwt, _AWS, headers):
        with serve(script, subprotocols=("spoken",)) as server:
            config = {
                "url": server.url,
                "auth": auth,
                "subprotocols": ["spoken", "header-{jwt|base64url}"],
                "subscribe_messages": ["{jwt}"],
                "message_rules": [
                    {"match": {"error": {"$exists": True}}, "then": "fail"}
                ],
                "max_duration": 10,
            }
            if auth is _AWS:
                config["subprotocols"] = ["spoken"]
            run = run_tap(tmp_path, config, env=loud)
        assert run.code == 1
        assert "message_rules" in run.stderr
        assert "| DEBUG" in run.stderr
        (peer,) = server.peers
        offered = peer.headers["sec-websocket-protocol"].split(", ")[1:]
        query = peer.path.partition("?")[2].split("&")
        signatures = [
            part.partition("Signature=")[2]
            for part in (*query, *taken[-1].split('"'))
            if "Signature=" in part
        ]
        assert len(signatures) == (auth is not jwt)
        for secret in (
            *pem.splitlines()[1:-1],
            "the-subject",
            _AWS["secret_key"],
            *signatures,
            *(name.removeprefix("header-") for name in offered),
        ):
            assert secret not in run.stderr, secret
        assert auth is not jwt or taken[-1] not in run.stderr
