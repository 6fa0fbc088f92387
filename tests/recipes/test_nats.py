"""The recipe for NATS, against its own server, and what that sends seldom."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from scripts.recipes import located
from tests.support.mishaps import play_after, play_with_drops
from tests.support.receive import receive
from tests.support.recipes import Outcome, drop, play, recipe, with_changes
from tests.support.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.servers import Peer

RECIPE = recipe("nats", "Subjects")
SERVER = Path(sys.executable).parent / "nats-server"


class Nats:
    """A server with a port of each kind; it can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.port, self.client_port = free_port(), free_port()
        self.monitor_port = free_port()
        self._config = folder / "nats.conf"
        self._config.write_text(
            f"listen: '127.0.0.1:{self.client_port}'\n"
            f"websocket {{ listen: '127.0.0.1:{self.port}', no_tls: true }}\n"
            f"http: '127.0.0.1:{self.monitor_port}'\n"
            'authorization { token: "YOUR-TOKEN" }\n',
            encoding="ascii",
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [str(SERVER), "-c", str(self._config)]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        for _ in range(500):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.client_port)).close()
                return
            time.sleep(0.02)
        raise TimeoutError

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def publish(self, *lines: str) -> None:
        """Publish messages at once, so that they come in one frame."""
        sent = b'CONNECT {"verbose":false,"auth_token":"YOUR-TOKEN"}\r\n'
        for line in lines:
            subject, _, payload = line.partition(" ")
            sent += f"PUB {subject} {len(payload)}\r\n{payload}\r\n".encode()
        with socket.create_connection(("127.0.0.1", self.client_port)) as client:
            client.sendall(sent + b"PING\r\n")
            answer = b""
            while b"PONG" not in answer:
                answer += client.recv(4096)

    def wait_for_subscription(self) -> None:
        """Wait until somebody listens: what is published before is lost."""
        url = f"http://127.0.0.1:{self.monitor_port}/connz?subs=1"
        for _ in range(500):
            if "trades.*" in requests.get(url, timeout=5).text:
                return
            time.sleep(0.02)
        raise TimeoutError


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[Nats]:
    server = Nats(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.mark.usefixtures("each_transport")
def test_table(nats: Nats) -> None:
    one, two, three = RECIPE.arrives

    def publish() -> None:
        nats.wait_for_subscription()
        # Each comes in a frame of its own, so that there are three messages.
        nats.publish(one)
        nats.publish(two)
        time.sleep(0.3)
        nats.kill()
        nats.start()
        nats.wait_for_subscription()
        nats.publish(three)

    player = threading.Thread(target=publish, daemon=True)
    player.start()
    settings = {"max_duration": 30, "max_messages": 3, "reconnect_backoff": 0.1}
    run = receive(**located(RECIPE.config, nats.port) | settings)
    player.join()
    assert run.error is None
    assert run.counts.reconnects == 1
    Outcome(0, None, {"trades": run.records}, []).gives(RECIPE.tables)


def message(line: str) -> str:
    """Return a published message as the server delivers it.

    Several of them in one frame are one of `max_messages`.
    """
    subject, _, payload = line.partition(" ")
    return f"MSG {subject} 1 {len(payload)}\r\n{payload}\r\n"


FIRST, SECOND, THIRD = map(message, RECIPE.arrives)
INFO = 'INFO {"server_id":"N1","max_payload":1048576}\r\n'
LAME_DUCK = 'INFO {"server_id":"N1","ldm":true}\r\n'


async def subscribed(peer: Peer) -> None:
    """Play the server up to the end of the subscription."""
    await peer.send(INFO)
    connect = await peer.recv()
    assert isinstance(connect, str)
    assert '"auth_token":"YOUR-TOKEN"' in connect
    assert await peer.recv() == "SUB trades.* 1\r\n"
    assert await peer.recv() == "PING\r\n"
    await peer.send("PONG\r\n")


async def feed(peer: Peer) -> None:
    await subscribed(peer)
    if peer.number == 1:
        await peer.send(FIRST + SECOND)
        await drop(peer)
        return
    await peer.send(THIRD)
    await peer.wait()


@pytest.mark.usefixtures("each_transport")
def test_drops_while_it_subscribes() -> None:
    run = play_with_drops(RECIPE, subscribed, feed, max_messages=2)
    run.gives(RECIPE.tables)


@pytest.mark.usefixtures("each_transport")
@pytest.mark.parametrize(
    "frame",
    [
        f"{FIRST}PING\r\n{SECOND}",
        f"PING\r\n{FIRST}{SECOND}",
        f"{FIRST}{SECOND}PING\r\n",
        f"{FIRST}{LAME_DUCK}{SECOND}PING\r\n",
        f"+OK\r\n{FIRST}+OK\r\n{SECOND}{INFO}PING\r\n",
    ],
)
def test_what_a_frame_holds_beside_messages(frame: str) -> None:
    """Each message is a record, and the server's ping is answered."""

    async def script(peer: Peer) -> None:
        await subscribed(peer)
        await peer.send(frame)
        assert await peer.recv() == "PONG\r\n"
        await peer.send(THIRD)
        await peer.wait()

    play(RECIPE, script, max_messages=2).gives(RECIPE.tables)


def test_a_payload_with_line_breaks_and_a_subject_for_replies() -> None:
    async def script(peer: Peer) -> None:
        await subscribed(peer)
        await peer.send('MSG trades.ETH 1 r.1 9\r\n{"n":\r\n2}\r\n')
        await peer.wait()

    run = play(RECIPE, script, max_messages=1)
    assert run.records["trades"] == [{"n": 2, "subject": "trades.ETH"}]


@pytest.mark.usefixtures("each_transport")
@pytest.mark.parametrize(
    "error",
    [
        "Stale Connection",
        "Slow Consumer",
        "Authentication Timeout",
        "maximum connections exceeded",
        "maximum account active connections exceeded",
        "Server Shutdown",
    ],
)
def test_an_error_that_passes_is_tried_again(error: str) -> None:
    async def fails(peer: Peer) -> None:
        await peer.send(INFO)
        await peer.recv()
        await peer.send(f"-ERR '{error}'\r\n")

    play_after(RECIPE, fails, feed, max_messages=2)


@pytest.mark.usefixtures("each_transport")
def test_a_message_in_front_of_an_error_is_kept() -> None:
    async def script(peer: Peer) -> None:
        await subscribed(peer)
        if peer.number == 1:
            await peer.send(f"{FIRST}{SECOND}-ERR 'Slow Consumer'\r\n")
            await peer.close(1008, "Slow Consumer")
            return
        await peer.send(THIRD)
        await peer.wait()

    run = play(RECIPE, script, max_messages=2, reconnect_backoff=0.1)
    run.gives(RECIPE.tables)


@pytest.mark.usefixtures("each_transport")
def test_a_lame_duck_is_left_without_a_gap() -> None:
    replaced = asyncio.Event()

    async def script(peer: Peer) -> None:
        await subscribed(peer)
        if peer.number == 1:
            await peer.send(FIRST)
            await peer.send(LAME_DUCK)
            await replaced.wait()
            await peer.send(SECOND)
        else:
            replaced.set()
            await asyncio.sleep(0.2)
            await peer.send(SECOND)
            await peer.send(THIRD)
        await peer.wait()

    run = play(RECIPE, script, max_messages=3, overlap=0.5)
    run.gives(RECIPE.tables)


@pytest.mark.usefixtures("each_transport")
def test_a_subject_that_is_not_allowed_ends_the_run() -> None:
    violation = "-ERR 'Permissions Violation for Subscription to \"trades.*\"'\r\n"

    async def script(peer: Peer) -> None:
        await peer.send(INFO)
        for _ in range(3):
            await peer.recv()
        await peer.send(violation)
        await peer.wait()

    run = play(RECIPE, script)
    assert run.error is not None
    assert "Permissions Violation for Subscription" in run.error


@pytest.mark.usefixtures("each_transport")
def test_a_payload_that_is_no_json_ends_the_run() -> None:
    async def script(peer: Peer) -> None:
        await subscribed(peer)
        await peer.send(FIRST)
        await peer.send(message("trades.BTC hello"))
        await peer.wait()

    run = play(RECIPE, script)
    assert run.error is not None
    assert "not valid JSON" in run.error
    assert run.records["trades"] == RECIPE.table[:1]


def test_a_wrong_token(nats: Nats) -> None:
    config = with_changes(RECIPE, placeholders={"token": "WRONG"}).config
    run = receive(**located(config, nats.port) | {"max_duration": 20})
    assert str(run.error) in RECIPE.failures
