"""What comes back for a request for a token: statuses, broken replies, and none."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
import time

import pytest

from tap_websocket.auth import types as auth
from tap_websocket.auth.authenticator import Authenticator
from tap_websocket.errors import CredentialError
from tap_websocket.http.answer import MAX_REPLY_BYTES, TransientHttpError
from tap_websocket.http.client import HttpClient
from tests.support.token_server import TokenServer, ask, endpoint, oauth2

pytestmark = pytest.mark.usefixtures("no_proxy")


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
def test_some_statuses_are_worth_another_try(
    token_server: TokenServer, status: int
) -> None:
    token_server.replies((status, {"Retry-After": "7"}, b"secret"))
    with pytest.raises(TransientHttpError, match=f"failed: HTTP {status}$") as caught:
        ask(endpoint(token_server))
    assert caught.value.retry_after == 7.0


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404])
def test_others_are_not(token_server: TokenServer, status: int) -> None:
    token_server.replies((status, {"Location": "/else"}, b"secret"))
    with pytest.raises(CredentialError, match=f"got HTTP {status}: ") as caught:
        ask(endpoint(token_server, path="/private?key=secret"))
    assert "secret" not in str(caught.value)
    assert "private" not in str(caught.value)
    assert len(token_server.asked) == 1


@pytest.mark.parametrize("location", ["/elsewhere", "http://["])
def test_a_redirect_is_final(token_server: TokenServer, location: str) -> None:
    endless = b"x" * (2 * MAX_REPLY_BYTES)
    for body in (b"", endless):
        token_server.replies((307, {"Location": location}, body))
        authenticator, _ = oauth2(token_server)
        with pytest.raises(CredentialError, match="the redirect is not followed"):
            ask(authenticator)
    assert {asked.path for asked in token_server.asked} == {"/token?t=1"}


def test_a_reply_that_is_no_json_is_final(token_server: TokenServer) -> None:
    token_server.replies((200, {}, b"<secret>"))
    with pytest.raises(CredentialError, match="is not JSON; check") as caught:
        ask(endpoint(token_server))
    assert "secret" not in str(caught.value)


def test_an_endless_reply_is_given_up(token_server: TokenServer) -> None:
    bomb = gzip.compress(bytes(50 * MAX_REPLY_BYTES))
    token_server.replies((200, {"Content-Encoding": "gzip"}, bomb))
    with pytest.raises(CredentialError, match="is longer than"):
        ask(endpoint(token_server))


def test_a_compressed_reply_is_read(token_server: TokenServer) -> None:
    body = gzip.compress(b'{"data": {"token": "t"}}')
    token_server.replies((200, {"Content-Encoding": "gzip"}, body))
    assert ask(endpoint(token_server)).values == {"token": "t"}


def test_a_reply_that_ends_early_is_worth_another_try(
    token_server: TokenServer,
) -> None:
    token_server.replies((200, {"Content-Length": "99"}, b"{"))
    with pytest.raises(TransientHttpError):
        ask(endpoint(token_server))


def test_no_server_is_worth_another_try() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/secret?secret"
        setting = auth.TokenEndpoint(url, (("token", "$.t"),))
        with pytest.raises(TransientHttpError, match="Connection refused") as caught:
            ask(Authenticator(setting, HttpClient(5)))
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
            ask(Authenticator(setting, HttpClient(0.1)))
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
        # Far more than a busy machine lets pass between two pieces: a bound for each
        # read alone would not be reached.
        with pytest.raises(TransientHttpError, match="no answer within 1 s"):
            ask(Authenticator(setting, HttpClient(1)))
        assert time.monotonic() - started < 10
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
        found = ask(Authenticator(setting, HttpClient(5)))
        thread.join()
    assert found.values == {"token": "x"}
