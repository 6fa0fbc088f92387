"""Token requests: over a real socket, to a small HTTP server."""

from __future__ import annotations

import base64
import contextlib
import gzip
import http.server
import json
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
import trustme

from tap_websocket.auth import types as auth
from tap_websocket.auth.authenticator import Authenticator
from tap_websocket.errors import ConnectionFailed, CredentialError
from tap_websocket.expressions.placeholders import ConnectionBuiltins
from tap_websocket.http.answer import MAX_REPLY_BYTES, TransientHttpError
from tap_websocket.http.client import HttpClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_websocket.auth.credentials import Credentials

_Reply = tuple[int, dict[str, str], bytes]


class _Server(http.server.ThreadingHTTPServer):
    """Answers by a script, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[_Asked] = []
        self.answer: Callable[[_Asked], _Reply] = lambda _: (404, {}, b"")
        self.busy = 0
        self.most_busy = 0

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients may hang up."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def replies(self, *replies: Any) -> None:
        """Answer with JSON, the last for ever."""
        left = list(replies)

        def answer(_: _Asked) -> _Reply:
            reply = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(reply, tuple):
                return reply
            return 200, {}, json.dumps(reply).encode()

        self.answer = answer


class _Asked:
    def __init__(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        self.method = handler.command
        self.path = handler.path
        self.headers = handler.headers
        length = int(handler.headers.get("Content-Length", 0))
        self.body = handler.rfile.read(length)

    @property
    def form(self) -> dict[str, str]:
        return {name: value for name, (value,) in parse_qs(self.body.decode()).items()}

    @property
    def basic(self) -> str | None:
        kind, _, value = self.headers.get("Authorization", "").partition(" ")
        return base64.b64decode(value).decode() if kind == "Basic" else None


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        asked = _Asked(self)
        self.server.busy += 1
        self.server.most_busy = max(self.server.busy, self.server.most_busy)
        self.server.asked.append(asked)
        status, headers, body = self.server.answer(asked)
        self.server.busy -= 1
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


@pytest.fixture
def server() -> Iterator[_Server]:
    with _Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def _ask(authenticator: Authenticator, **values: Any) -> Credentials:
    return authenticator.credentials(
        values, ConnectionBuiltins(clock=lambda: 1.0).moment()
    )


def _oauth2(server: _Server, **more: Any) -> tuple[Authenticator, _Clock]:
    clock = _Clock()
    setting = auth.OAuth2(f"{server.url}/token?t=1", "i d", "s:ü", **more)
    return Authenticator(setting, HttpClient(5), clock), clock


def _endpoint(server: _Server, path: str = "/token", **more: Any) -> Authenticator:
    more.setdefault("values", (("token", "$.data.token"),))
    return Authenticator(
        auth.TokenEndpoint(f"{server.url}{path}", **more), HttpClient(5)
    )


def test_client_credentials(server: _Server) -> None:
    server.replies({"access_token": "t1", "token_type": "bearer", "expires_in": 3600})
    authenticator, _ = _oauth2(server, scope="read write", audience="api")
    credentials = _ask(authenticator)
    assert credentials.headers == (("Authorization", "Bearer t1"),)
    assert credentials.values == {"access_token": "t1"}
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("POST", "/token?t=1")
    assert asked.basic == "i+d:s%3A%C3%BC"
    assert asked.form == {
        "grant_type": "client_credentials",
        "scope": "read write",
        "audience": "api",
    }
    assert asked.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert credentials.secrets == ("t1",)


def test_a_token_is_kept_until_30_s_before_it_expires(server: _Server) -> None:
    server.replies(*({"access_token": f"t{n}", "expires_in": 100} for n in range(3)))
    authenticator, clock = _oauth2(server)
    assert _ask(authenticator).values == {"access_token": "t0"}
    clock.now = 70
    assert _ask(authenticator).values == {"access_token": "t0"}
    clock.now = 70.1
    assert _ask(authenticator).values == {"access_token": "t1"}


@pytest.mark.parametrize("lifetime", [None, "soon", True, [1]])
def test_without_a_lifetime_a_token_is_kept(server: _Server, lifetime: Any) -> None:
    server.replies({"access_token": "t", "expires_in": lifetime})
    authenticator, clock = _oauth2(server)
    _ask(authenticator)
    clock.now = 1e9
    _ask(authenticator)
    assert len(server.asked) == 1


def test_a_lifetime_may_be_text(server: _Server) -> None:
    server.replies({"access_token": "t", "expires_in": "100"})
    authenticator, clock = _oauth2(server)
    _ask(authenticator)
    clock.now = 80
    _ask(authenticator)
    assert len(server.asked) == 2


def test_a_refused_token_is_fetched_anew_once(server: _Server) -> None:
    server.replies({"access_token": "t0"}, {"access_token": "t1"})
    authenticator, _ = _oauth2(server)
    stale = _ask(authenticator)
    assert authenticator.refresh(stale)
    assert _ask(authenticator).values == {"access_token": "t1"}
    assert authenticator.refresh(stale)
    assert _ask(authenticator).values == {"access_token": "t1"}
    assert len(server.asked) == 2


def test_a_rotated_refresh_token_is_kept(server: _Server) -> None:
    server.replies(
        {"access_token": "t0", "refresh_token": "r1"},
        {"access_token": "t1"},
        {"access_token": "t2", "refresh_token": "r2"},
    )
    authenticator, _ = _oauth2(server, refresh_token="r0", scope="s")
    secrets: set[str] = set()
    for _ in range(3):
        credentials = _ask(authenticator)
        secrets.update(credentials.secrets)
        authenticator.refresh(credentials)
    assert [asked.form["refresh_token"] for asked in server.asked] == ["r0", "r1", "r1"]
    assert {asked.form["grant_type"] for asked in server.asked} == {"refresh_token"}
    assert {"r1", "r2", "t0", "t1", "t2"} == secrets


def test_a_refresh_token_that_nobody_asked_for_is_left_alone(server: _Server) -> None:
    server.replies({"access_token": "t0", "refresh_token": "r1"})
    authenticator, _ = _oauth2(server)
    authenticator.refresh(_ask(authenticator))
    _ask(authenticator)
    assert server.asked[1].form["grant_type"] == "client_credentials"


def test_a_server_may_want_the_client_in_the_body(server: _Server) -> None:
    def answer(asked: _Asked) -> _Reply:
        if asked.form.get("client_secret") != "s:ü" or asked.basic:
            return 400, {}, b'{"error": "invalid_request"}'
        return 200, {}, b'{"access_token": "t"}'

    server.answer = answer
    authenticator, _ = _oauth2(server)
    authenticator.refresh(_ask(authenticator))
    _ask(authenticator)
    assert [asked.basic is None for asked in server.asked] == [False, True, True]


def test_a_server_may_want_the_client_as_it_is(server: _Server) -> None:
    def answer(asked: _Asked) -> _Reply:
        if asked.basic != "i d:s:ü":
            return 401, {}, b'{"error": "invalid_client"}'
        return 200, {}, b'{"access_token": "t"}'

    server.answer = answer
    authenticator, _ = _oauth2(server)
    authenticator.refresh(_ask(authenticator))
    _ask(authenticator)
    assert len(server.asked) == 4


def test_a_client_that_is_refused_is_not_sent_twice_alike(server: _Server) -> None:
    server.replies((401, {}, b""))
    setting = auth.OAuth2(server.url, "plain", "secret")
    with pytest.raises(CredentialError, match="got HTTP 401: check auth"):
        _ask(Authenticator(setting, HttpClient(5)))
    assert [asked.basic for asked in server.asked] == ["plain:secret", None]


@pytest.mark.parametrize(
    ("code", "words", "requests"),
    [
        ("invalid_client", "does not know the client", 3),
        ("invalid_grant", "refresh token is no longer valid", 1),
        ("invalid_scope", "check scope", 1),
        ("secret words", "check auth", 3),
    ],
)
def test_a_refusal_is_final(
    server: _Server,
    code: str,
    words: str,
    requests: int,
) -> None:
    server.replies((400, {}, json.dumps({"error": code}).encode()))
    authenticator, _ = _oauth2(server)
    with pytest.raises(CredentialError, match=words) as caught:
        _ask(authenticator)
    assert "secret words" not in str(caught.value)
    assert f"{server.url} got HTTP 400" in str(caught.value)
    assert len(server.asked) == requests


@pytest.mark.parametrize(
    "reply",
    [{}, [], {"access_token": ""}, {"access_token": 5}, {"access_token": "a\r\nb"}],
)
def test_a_reply_without_a_token_is_final(server: _Server, reply: Any) -> None:
    server.replies(reply)
    with pytest.raises(CredentialError, match="has no access_token"):
        _ask(_oauth2(server)[0])


def test_one_request_however_many_wait(server: _Server) -> None:
    server.replies({"access_token": "t"})
    authenticator, _ = _oauth2(server)
    with ThreadPoolExecutor(20) as pool:
        results = list(pool.map(lambda _: _ask(authenticator), range(20)))
    assert {result.values["access_token"] for result in results} == {"t"}
    assert len(server.asked) == 1


def test_endpoint_requests_are_made_one_at_a_time(server: _Server) -> None:
    def answer(_: _Asked) -> _Reply:
        time.sleep(0.005)
        return 200, {}, b'{"data": {"token": "t"}}'

    server.answer = answer
    authenticator = _endpoint(server)
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda _: _ask(authenticator), range(10)))
    assert len(server.asked) == 10
    assert server.most_busy == 1


def test_an_endpoint_offers_values_of_its_reply(server: _Server) -> None:
    server.replies(
        {"data": {"token": "t", "servers": [{"endpoint": "wss://e/", "ping": 18000}]}},
    )
    authenticator = _endpoint(
        server,
        path="/{tenant}/bullet?u={$now_s}",
        values=(
            ("token", "$.data.token"),
            ("endpoint", "$.data.servers[0].endpoint"),
            ("ping", "$.data.servers[*].ping"),
        ),
        given=(("X-Key", "{key}"),),
        body={"n": "{n}", "k": "{key}!"},
    )
    credentials = _ask(authenticator, tenant="a/b", key="k1", n=7)
    assert credentials.values == {"token": "t", "endpoint": "wss://e/", "ping": 18000}
    assert credentials.headers == ()
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("POST", "/a%2Fb/bullet?u=1")
    assert asked.headers["X-Key"] == "k1"
    assert asked.headers["Content-Type"] == "application/json"
    assert asked.headers["User-Agent"].startswith("tap-websocket/")
    assert asked.body == b'{"n":7,"k":"k1!"}'
    assert set(credentials.secrets) == {"t", "wss://e/", "18000"}


def test_an_endpoint_is_called_for_each_attempt(server: _Server) -> None:
    server.replies({"data": {"token": "t0"}}, {"data": {"token": "t1"}})
    authenticator = _endpoint(server)
    stale = _ask(authenticator)
    assert _ask(authenticator).values == {"token": "t1"}
    assert authenticator.refresh(stale)


def test_a_body_that_is_a_string_is_sent_as_it_is(server: _Server) -> None:
    server.replies({"data": {"token": "t"}})
    headers = (("content-type", "text/x"),)
    _ask(_endpoint(server, body="a={a}", given=headers), a="1 2")
    assert server.asked[0].body == b"a=1 2"
    assert server.asked[0].headers.get_all("Content-Type") == ["text/x"]
    _ask(_endpoint(server, body=[1], given=headers))
    assert server.asked[1].headers.get_all("Content-Type") == ["text/x"]
    _ask(_endpoint(server, method="GET"))
    assert (server.asked[2].method, server.asked[2].body) == ("GET", b"")


def test_userinfo_of_an_endpoint_is_sent_as_basic(server: _Server) -> None:
    server.replies({"data": {"token": "t"}})
    url = server.url.replace("://", "://us%3Aer:pass@")
    setting = auth.TokenEndpoint(f"{url}/x", (("token", "$.data.token"),))
    _ask(Authenticator(setting, HttpClient(5)))
    assert server.asked[0].basic == "us:er:pass"


@pytest.mark.parametrize("reply", [{"ok": False}, {"data": {"token": None}}, [1]])
def test_a_path_without_a_match_is_final(server: _Server, reply: Any) -> None:
    server.replies(reply)
    with pytest.raises(CredentialError, match=r"auth\.values\.token: .* nothing at"):
        _ask(_endpoint(server))


def test_a_url_of_another_scheme_is_refused(server: _Server) -> None:
    setting = auth.TokenEndpoint("{u}", (("token", "$.t"),))
    with pytest.raises(ConnectionFailed, match=r"auth\.url: .*https://HOST; check"):
        _ask(Authenticator(setting, HttpClient(5)), u=server.url.replace("http", "ws"))


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
def test_some_statuses_are_worth_another_try(server: _Server, status: int) -> None:
    server.replies((status, {"Retry-After": "7"}, b"secret"))
    with pytest.raises(TransientHttpError, match=f"failed: HTTP {status}$") as caught:
        _ask(_endpoint(server))
    assert caught.value.retry_after == 7.0


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404])
def test_others_are_not(server: _Server, status: int) -> None:
    server.replies((status, {"Location": "/else"}, b"secret"))
    with pytest.raises(CredentialError, match=f"got HTTP {status}: ") as caught:
        _ask(_endpoint(server, path="/private?key=secret"))
    assert "secret" not in str(caught.value)
    assert "private" not in str(caught.value)
    assert len(server.asked) == 1


@pytest.mark.parametrize("location", ["/elsewhere", "http://["])
def test_a_redirect_is_final(server: _Server, location: str) -> None:
    endless = b"x" * (2 * MAX_REPLY_BYTES)
    for body in (b"", endless):
        server.replies((307, {"Location": location}, body))
        authenticator, _ = _oauth2(server)
        with pytest.raises(CredentialError, match="the redirect is not followed"):
            _ask(authenticator)
    assert {asked.path for asked in server.asked} == {"/token?t=1"}


def test_a_reply_that_is_no_json_is_final(server: _Server) -> None:
    server.replies((200, {}, b"<secret>"))
    with pytest.raises(CredentialError, match="is not JSON; check") as caught:
        _ask(_endpoint(server))
    assert "secret" not in str(caught.value)


def test_an_endless_reply_is_given_up(server: _Server) -> None:
    bomb = gzip.compress(bytes(50 * MAX_REPLY_BYTES))
    server.replies((200, {"Content-Encoding": "gzip"}, bomb))
    with pytest.raises(CredentialError, match="is longer than"):
        _ask(_endpoint(server))


def test_a_compressed_reply_is_read(server: _Server) -> None:
    body = gzip.compress(b'{"data": {"token": "t"}}')
    server.replies((200, {"Content-Encoding": "gzip"}, body))
    assert _ask(_endpoint(server)).values == {"token": "t"}


def test_a_reply_that_ends_early_is_worth_another_try(server: _Server) -> None:
    server.replies((200, {"Content-Length": "99"}, b"{"))
    with pytest.raises(TransientHttpError):
        _ask(_endpoint(server))


def test_no_server_is_worth_another_try() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/secret?secret"
        setting = auth.TokenEndpoint(url, (("token", "$.t"),))
        with pytest.raises(TransientHttpError, match="Connection refused") as caught:
            _ask(Authenticator(setting, HttpClient(5)))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "sent", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"]
)
def test_a_silent_server_is_timed_out(sent: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepted = []

        def accept() -> None:
            connection, _ = listener.accept()
            connection.sendall(sent)
            accepted.append(connection)

        thread = threading.Thread(target=accept)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        setting = auth.TokenEndpoint(url, (("token", "$.t"),))
        with pytest.raises(TransientHttpError, match=r"no answer within 0\.1 s"):
            _ask(Authenticator(setting, HttpClient(0.1)))
        thread.join()
        accepted[0].close()


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n", b"1"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"1"),
        (b"HTTP/1.1 200 OK\r\nX-Long: ", b"x"),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"", b"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n"),
    ],
    ids=["body", "body without a length", "header", "headers", "100s", "103s"],
)
def test_a_server_that_trickles_is_timed_out(head: bytes, piece: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def trickle() -> None:
            connection, _ = listener.accept()
            connection.sendall(head)
            with connection:
                for _ in range(2000):
                    time.sleep(0.01)
                    try:
                        connection.sendall(piece)
                    except OSError:
                        return

        thread = threading.Thread(target=trickle)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        setting = auth.TokenEndpoint(url, (("token", "$.t"),))
        started = time.monotonic()
        with pytest.raises(TransientHttpError, match=r"no answer within 0\.1 s"):
            _ask(Authenticator(setting, HttpClient(0.1)))
        assert time.monotonic() - started < 5
        thread.join()


def test_each_request_has_a_connection_of_its_own() -> None:
    """Also where a server ignores `Connection: close`: the time bounds each of them."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        opened: list[socket.socket] = []

        def serve() -> None:
            while len(opened) < 2:
                peer, _ = listener.accept()
                opened.append(peer)
                threading.Thread(target=keep, args=(peer,), daemon=True).start()

        def keep(peer: socket.socket) -> None:
            # The test closes it.
            with contextlib.suppress(OSError):
                while peer.recv(65536):
                    peer.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        client = HttpClient(20)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        for number in (1, 2):
            assert client.send("GET", url).ok
            assert len(opened) == number
        for peer in opened:
            peer.close()


def test_interim_answers_are_skipped() -> None:
    body = b'{"t": "x"}'
    answer = (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def reply() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=reply)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        setting = auth.TokenEndpoint(url, (("token", "$.t"),))
        found = _ask(Authenticator(setting, HttpClient(5)))
        thread.join()
    assert found.values == {"token": "x"}


def test_netrc_takes_nothing_away(
    server: _Server,
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server.replies({"access_token": "t"})
    _ask(_oauth2(server)[0])
    assert server.asked[0].basic == "i+d:s%3A%C3%BC"


def test_a_proxy_is_used(server: _Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.replies({"t": "x"})
    setting = auth.TokenEndpoint("http://feed.test/a", (("token", "$.t"),))
    proxy = server.url.replace("://", "://us%40er:pass@")
    assert _ask(Authenticator(setting, HttpClient(5, proxy))).values == {"token": "x"}
    monkeypatch.setenv("http_proxy", proxy)
    assert _ask(Authenticator(setting, HttpClient(5))).values == {"token": "x"}
    for asked in server.asked:
        assert urlsplit(asked.path).hostname == "feed.test"
        credentials = asked.headers["Proxy-Authorization"].partition(" ")[2]
        assert base64.b64decode(credentials) == b"us@er:pass"


def test_none_ignores_the_proxy_of_the_environment(
    server: _Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    server.replies({"data": {"token": "t"}})
    setting = auth.TokenEndpoint(server.url, (("token", "$.data.token"),))
    with pytest.raises(TransientHttpError, match="the proxy refused"):
        _ask(Authenticator(setting, HttpClient(5)))
    assert _ask(Authenticator(setting, HttpClient(5, "none"))).values


@pytest.mark.parametrize(
    "proxy", ["http://u:secret@127.0.0.1:1", "socks5h://127.0.0.1:1"]
)
def test_a_proxy_that_is_not_there_is_worth_another_try(proxy: str) -> None:
    setting = auth.TokenEndpoint("https://feed.test/", (("token", "$.t"),))
    with pytest.raises(TransientHttpError) as caught:
        _ask(Authenticator(setting, HttpClient(5, proxy)))
    assert "secret" not in str(caught.value)


def test_a_proxy_that_wants_credentials_is_named(server: _Server) -> None:
    server.replies((407, {}, b""))
    setting = auth.TokenEndpoint("http://feed.test/", (("token", "$.t"),))
    with pytest.raises(CredentialError, match="the proxy wants credentials"):
        _ask(Authenticator(setting, HttpClient(5, server.url)))


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


def _secure(server: _Server, authority: trustme.CA) -> auth.TokenEndpoint:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.replies({"t": "x"})
    url = server.url.replace("http", "https")
    return auth.TokenEndpoint(f"{url}/", (("token", "$.t"),))


def test_trust_is_that_of_the_context(server: _Server, authority: trustme.CA) -> None:
    setting = _secure(server, authority)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    client = HttpClient(5, make_tls=lambda: context)
    assert _ask(Authenticator(setting, client)).values == {"token": "x"}


def test_an_untrusted_certificate_is_final(
    server: _Server,
    authority: trustme.CA,
) -> None:
    setting = _secure(server, authority)
    with pytest.raises(CredentialError, match=r"is not trusted .*; check tls"):
        _ask(Authenticator(setting, HttpClient(5)))


def test_verification_can_be_turned_off(
    server: _Server,
    authority: trustme.CA,
) -> None:
    setting = _secure(server, authority)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    client = HttpClient(5, make_tls=lambda: context)
    assert _ask(Authenticator(setting, client)).values == {"token": "x"}


def test_tls_to_a_server_without_it_is_worth_another_try(server: _Server) -> None:
    url = server.url.replace("http", "https")
    setting = auth.TokenEndpoint(url, (("token", "$.t"),))
    with pytest.raises(TransientHttpError, match="TLS was interrupted"):
        _ask(Authenticator(setting, HttpClient(5)))
