"""The process itself: early signals, and streams that its parent closed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import read_past, start
from tests.support.servers import serve
from tests.support.tap import COMMAND, clean_environment, start_tap, write_config

if TYPE_CHECKING:
    from tests.support.servers import Peer

EARLY = """
import os, signal, sys
from tap_websocket.__main__ import main

class Signals:
    def find_spec(self, name, path=None, target=None):
        if name == WHEN:
            os.kill(os.getpid(), NUMBER)
        return None

sys.meta_path.insert(0, Signals())
sys.argv[1:] = ["--config", CONFIG]
main()
"""


async def numbers(peer: Peer) -> None:
    for number in range(100):
        await peer.send(json.dumps({"n": number}))
    await peer.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "when", ["tap_websocket.tap", "singer_sdk", "tap_websocket.stream"]
)
def test_a_signal_while_modules_are_imported_is_exit_0(
    when: str, number: signal.Signals, tmp_path: Path
) -> None:
    config = {"url": "ws://localhost:1/", "max_messages": 1}
    path = write_config(tmp_path, config)
    code = f"WHEN, NUMBER, CONFIG = {when!r}, {int(number)}, {str(path)!r}\n{EARLY}"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        cwd=tmp_path,
        env=clean_environment(),
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def run_without(
    directory: Path, url: str, closed: str
) -> subprocess.CompletedProcess[bytes]:
    """Run the tap with descriptors closed, as in `tap-websocket 2>&-`."""
    path = write_config(directory, {"url": url, "max_messages": 5})
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", *COMMAND, "--config", str(path)],
        capture_output=True,
        cwd=directory,
        env=clean_environment(),
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("closed", ["2>&-", "<&- 2>&-", "<&-", "2</dev/null"])
def test_records_need_no_stderr(closed: str, tmp_path: Path) -> None:
    with serve(numbers) as server:
        run = run_without(tmp_path, server.url, closed)
    assert run.returncode == 0
    records = [line for line in run.stdout.splitlines() if b'"RECORD"' in line]
    assert len(records) == 5


@pytest.mark.parametrize("closed", [">&-", "<&- >&-"])
def test_records_need_stdout(closed: str, tmp_path: Path) -> None:
    with serve(numbers) as server:
        run = run_without(tmp_path, server.url, closed)
    assert run.returncode == 1
    (error,) = (line for line in run.stderr.splitlines() if b"ERROR" in line)
    assert b"stdout is closed" in error
    assert not server.peers


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
@pytest.mark.parametrize("option", ["--discover", "--about", "--version", "--help"])
def test_what_is_printed_is_written_or_it_is_exit_1(
    option: str, tmp_path: Path
) -> None:
    config = {
        "url": "ws://localhost:1/",
        "max_messages": 1,
        "schema": {"type": "object", "properties": {"n": {"type": "integer"}}},
    }
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*COMMAND, "--config", str(write_config(tmp_path, config)), option],
            stdout=full,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            env=clean_environment(),
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    (error,) = (line for line in done.stderr.splitlines() if b"ERROR" in line)
    assert b"No space left on device" in error
    assert b"Exception ignored" not in done.stderr


def test_neither_stdout_nor_stderr_is_exit_1(tmp_path: Path) -> None:
    with serve(numbers) as server:
        run = run_without(tmp_path, server.url, ">&- 2>&-")
    assert run.returncode == 1
    assert not server.peers


@pytest.mark.parametrize("descriptor", [0, 2])
def test_a_closed_descriptor_is_no_sockets(descriptor: int, tmp_path: Path) -> None:
    """What is meant for stderr would else be sent to a server."""
    with serve(numbers) as server:
        path = write_config(
            tmp_path, {"url": server.url, "idle_timeout": 60, "infer_messages": 1}
        )
        command = f'exec "$@" {descriptor}>&-'
        with start(
            ["sh", "-c", command, "sh", *COMMAND, "--config", path],
            stdout=subprocess.PIPE,
            cwd=tmp_path,
            env=clean_environment(),
        ) as tap:
            assert tap.stdout is not None
            read_past(tap, tap.stdout, b'"RECORD"')
            found = Path(f"/proc/{tap.pid}/fd/{descriptor}").readlink()
            assert str(found) == "/dev/null"


@pytest.mark.parametrize("transport", ["picows", "websockets"])
def test_columns_are_inferred_though_no_more_files_may_be_open(
    transport: str, tmp_path: Path
) -> None:
    async def late(peer: Peer) -> None:
        # By now there are as many connections as there may be files.
        await asyncio.sleep(2)
        await numbers(peer)

    with serve(late) as server:
        path = write_config(
            tmp_path,
            {
                "url": server.url,
                "contexts": [{"group": str(number)} for number in range(100)],
                "reconnect": True,
                "transport": transport,
                "max_messages": 50,
                "max_duration": 60,
                "close_timeout": 1,
            },
        )
        command = [*COMMAND, "--config", str(path)]
        done = subprocess.run(
            ["sh", "-c", 'ulimit -n 40; exec "$@"', "sh", *command],
            capture_output=True,
            cwd=tmp_path,
            env=clean_environment(),
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(b'"RECORD"') == 50
    assert b"the limit of open files is reached" in done.stderr


def test_whoever_reads_stderr_may_go_away(tmp_path: Path) -> None:
    with (
        serve(numbers) as server,
        start_tap(tmp_path, {"url": server.url, "max_messages": 5}) as tap,
    ):
        assert tap.stderr is not None
        assert tap.stdout is not None
        tap.stderr.close()
        output = tap.stdout.read()
        assert tap.wait(60) == 0
    assert output.count(b'"RECORD"') == 5


SILENT_NAME_SERVER = """
import socket, sys, time
from tap_websocket.__main__ import main

def getaddrinfo(*args, **kwargs):
    print("asked", file=sys.stderr, flush=True)
    time.sleep(60)

socket.getaddrinfo = getaddrinfo
sys.argv[1:] = ["--config", CONFIG]
main()
"""


def test_a_signal_while_a_name_is_looked_up_waits_for_no_name_server(
    tmp_path: Path,
) -> None:
    config = {"url": "ws://feed.example/", "idle_timeout": 60, "proxy": "none"}
    code = f"CONFIG = {str(write_config(tmp_path, config))!r}\n{SILENT_NAME_SERVER}"
    with start(
        [sys.executable, "-c", code],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env=clean_environment(),
    ) as tap:
        assert tap.stderr is not None
        read_past(tap, tap.stderr, b"asked")
        tap.send_signal(signal.SIGTERM)
        assert tap.wait(30) == 0


def test_a_second_signal_does_not_wait_for_whoever_reads_stderr(
    tmp_path: Path,
) -> None:
    async def steady(peer: Peer) -> None:
        while True:
            await peer.send('{"n": 1}')
            await asyncio.sleep(0.01)

    read, write = os.pipe()
    with serve(steady) as server:
        path = write_config(
            tmp_path,
            {"url": server.url, "idle_timeout": 60, "infer_messages": 1},
        )
        tap = subprocess.Popen(
            [*COMMAND, "--config", str(path)],
            stdout=subprocess.PIPE,
            stderr=write,
            cwd=tmp_path,
            env=clean_environment(),
        )
        assert tap.stdout is not None
        try:
            read_past(tap, tap.stdout, b'"RECORD"')
            os.set_blocking(write, False)
            with contextlib.suppress(BlockingIOError):
                while os.write(write, bytes(4096)):
                    pass
            # The tap has the same open file.
            os.set_blocking(write, True)
            tap.send_signal(signal.SIGTERM)
            with pytest.raises(subprocess.TimeoutExpired):
                tap.wait(1)
            tap.send_signal(signal.SIGTERM)
            assert tap.wait(20) == 1
        finally:
            tap.kill()
            tap.wait()
            tap.stdout.close()
            os.close(read)
            os.close(write)
