"""The recipe for NATS, against its own server."""

from __future__ import annotations

import contextlib
import re
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
from tests.support.receive import receive
from tests.support.recipes import Outcome, recipe, with_changes
from tests.support.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

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


def test_table(nats: Nats) -> None:
    first, second, third = RECIPE.arrives

    def play() -> None:
        nats.wait_for_subscription()
        nats.publish(first, second)
        time.sleep(0.3)
        nats.kill()
        nats.start()
        nats.wait_for_subscription()
        nats.publish(third)

    player = threading.Thread(target=play, daemon=True)
    player.start()
    settings = {"max_duration": 30, "max_messages": 3, "reconnect_backoff": 0.1}
    run = receive(**located(RECIPE.config, nats.port) | settings)
    player.join()
    assert run.error is None
    assert run.counts.reconnects == 1
    Outcome(0, None, {"trades": run.records}, []).gives(RECIPE.tables)


def test_the_server_s_ping_behind_messages_is_answered() -> None:
    """Documents that a frame may end with, in the words of the protocol."""
    config = RECIPE.config
    pattern = re.compile(config["message_pattern"])
    frame = (
        'MSG trades.BTC 1 9\r\n{"n":1}\r\n'
        'MSG trades.ETH 1 r.1 9\r\n{"n":\r\n2}\r\n'
        "PING\r\n"
    )
    first, last = frame.split(config["record_separator"])
    found = [pattern.search(part) for part in (first, last)]
    assert [match and match["json"] for match in found] == ['{"n":1}', '{"n":\r\n2}']
    (ping,) = [rule["match"]["$regex"] for rule in config["message_rules"][1:]]
    assert [bool(re.search(ping, part)) for part in (first, last)] == [False, True]
    assert re.search(ping, "PING\r\n")


def test_a_wrong_token(nats: Nats) -> None:
    config = with_changes(RECIPE, placeholders={"token": "WRONG"}).config
    run = receive(**located(config, nats.port) | {"max_duration": 20})
    assert str(run.error) in RECIPE.failures
