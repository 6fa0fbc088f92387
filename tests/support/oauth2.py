"""A real OAuth 2 server (Authlib on Flask) with one client, in memory."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import threading
from typing import TYPE_CHECKING, Any, ClassVar
from unittest import mock

import flask
from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin, grants
from werkzeug.serving import make_server

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "OAuth2Server", "serve_oauth2"]

CLIENT_ID = "the client"
CLIENT_SECRET = "s3cr3t/+%"
FIRST_REFRESH_TOKEN = "refresh-0"


class _Client(ClientMixin):  # type: ignore[misc]
    def __init__(self, methods: set[str]) -> None:
        self._methods = methods

    def get_client_id(self) -> str:
        return CLIENT_ID

    def check_client_secret(self, secret: str) -> bool:
        return secret == CLIENT_SECRET

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        del endpoint
        return method in self._methods

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in {"client_credentials", "refresh_token"}

    def get_allowed_scope(self, scope: str) -> str:
        return scope if scope in {"", "feed"} else ""


@dataclasses.dataclass
class _Token(TokenMixin):  # type: ignore[misc]
    refresh_token: str

    def check_client(self, client: Any) -> bool:
        return client.get_client_id() == CLIENT_ID  # type: ignore[no-any-return]

    def get_scope(self) -> str:
        return "feed"


@dataclasses.dataclass
class OAuth2Server:
    """The running server.

    Attributes:
        url: Of its token endpoint.
        issued: The access tokens, in order.
        expires_in: Lifetime of the tokens that it issues, in seconds.
    """

    url: str = ""
    issued: list[str] = dataclasses.field(default_factory=list)
    refresh_tokens: list[str] = dataclasses.field(
        default_factory=lambda: [FIRST_REFRESH_TOKEN]
    )
    expires_in: int = 3600


@contextlib.contextmanager
def serve_oauth2(
    methods: tuple[str, ...] = ("client_secret_basic", "client_secret_post"),
) -> Iterator[OAuth2Server]:
    """Serve until the block is left.

    Args:
        methods: Where the client's secret may stand.
    """
    server = OAuth2Server()
    app = flask.Flask(__name__)
    client = _Client(set(methods))

    def save(token: dict[str, Any], request: Any) -> None:
        del request
        server.issued.append(token["access_token"])
        if "refresh_token" in token:
            server.refresh_tokens.append(token["refresh_token"])

    class Refresh(grants.RefreshTokenGrant):  # type: ignore[misc]
        INCLUDE_NEW_REFRESH_TOKEN = True
        TOKEN_ENDPOINT_AUTH_METHODS: ClassVar = list(methods)

        def authenticate_refresh_token(self, refresh_token: str) -> _Token | None:
            known = refresh_token == server.refresh_tokens[-1]
            return _Token(refresh_token) if known else None

        def authenticate_user(self, refresh_token: _Token) -> object:
            return refresh_token

        def revoke_old_credential(self, refresh_token: _Token) -> None:
            """Only the last one is valid anyway."""

    class Plain(grants.ClientCredentialsGrant):  # type: ignore[misc]
        TOKEN_ENDPOINT_AUTH_METHODS: ClassVar = list(methods)

    def find(client_id: str) -> _Client | None:
        return client if client_id == CLIENT_ID else None

    authorization = AuthorizationServer(app, query_client=find, save_token=save)
    authorization.register_token_generator(
        "default",
        lambda **given: {
            "token_type": "Bearer",
            "access_token": f"access-{len(server.issued) + 1}",
            "expires_in": server.expires_in,
            **(
                {"refresh_token": f"refresh-{len(server.refresh_tokens)}"}
                if given.get("include_refresh_token")
                else {}
            ),
        },
    )
    authorization.register_grant(Plain)
    authorization.register_grant(Refresh)

    @app.post("/token")
    def token() -> Any:
        return authorization.create_token_response()

    # On loopback there is no TLS.
    with mock.patch.dict(os.environ, {"AUTHLIB_INSECURE_TRANSPORT": "1"}):
        http = make_server("127.0.0.1", 0, app, threaded=True)
        server.url = f"http://localhost:{http.server_port}/token"
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()
            http.server_close()
