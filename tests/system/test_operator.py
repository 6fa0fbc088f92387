"""For who operates it: signals at every stage, secrets, metrics, the live line."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.processes import is_full, start, wait_until
from tests.support.raw import frame, never_reads, serve_raw
from tests.support.servers import serve
from tests.support.tap import (
    COMMAND,
    clean_environment,
    lose_target,
    run_tap,
    start_tap,
    write_config,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.raw import RawPeer
    from tests.support.servers import Peer

PONG = 10
SIGNALS = [signal.SIGINT, signal.SIGTERM]


async def never_answers(peer: RawPeer) -> None:
    await peer.read_request()
    await peer.silence()


async def silent(peer: RawPeer) -> None:
    await peer.upgrade()
    await peer.all_read()
    await peer.wait()


async def one_then_silent(peer: RawPeer) -> None:
    await peer.upgrade(frame(b'{"n": 0}'))
    await peer.all_read()
    await peer.wait()


async def refuses(peer: RawPeer) -> None:
    await peer.status(503)


UNCONNECTED = {"connecting", "reconnecting", "fetching a token"}
STAGES: dict[str, tuple[Any, dict[str, Any], int]] = {
    "connecting": (never_answers, {}, 0),
    "sampling": (one_then_silent, {"infer_timeout": 60}, 1),
    "streaming": (one_then_silent, {"infer_messages": 1, "flush_interval": 60}, 1),
    "silent": (silent, {"infer_messages": 0}, 0),
    "reconnecting": (refuses, {"reconnect": True, "reconnect_backoff": 60}, 0),
    "subscribing": (
        one_then_silent,
        {"infer_messages": 1, "subscribe_messages": [{"reply": "never"}]},
        1,
    ),
    "fetching a token": (
        never_answers,
        {
            "auth": {
                "type": "token_endpoint",
                "url": "http://localhost:{port}/",
                "values": {"token": "$.token"},
            },
            "placeholders": {"port": "?"},
        },
        0,
    ),
}


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("stage", STAGES)
def test_a_signal_at_every_stage_ends_the_run_well(
    stage: str,
    number: signal.Signals,
    tmp_path: Path,
) -> None:
    script, settings, records = STAGES[stage]
    with serve_raw(script) as server:
        config = {"url": server.url, "idle_timeout": 60, **settings}
        if "placeholders" in settings:
            config["placeholders"] = {"port": str(server.port)}
        with start_tap(tmp_path, config) as tap:
            wait_until(lambda: server.peers and has_come_to(stage, server.peers[0]))
            begin = time.monotonic()
            tap.send_signal(number)
            output, errors = tap.communicate(timeout=60)
    closes = [peer.close_code for peer in server.peers]
    assert tap.returncode == 0, errors.decode()
    # Not one of its times is over.
    assert time.monotonic() - begin < 20
    lines = [json.loads(line) for line in output.splitlines()]
    assert sum(line["type"] == "RECORD" for line in lines) == records
    assert number.name in errors.decode()
    if stage not in UNCONNECTED:
        assert closes == [1001]


def has_come_to(stage: str, peer: RawPeer) -> bool:
    """Return whether the server has seen of a connection what a stage begins with."""
    if stage in UNCONNECTED:
        return bool(peer.request)
    return any(opcode == PONG for opcode, _ in peer.frames)


def _rest(tap: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    """Read what a tap still writes; its line buffer is not skipped."""
    assert tap.stdout is not None
    assert tap.stderr is not None
    output, errors = tap.stdout.read(), tap.stderr.read()
    tap.wait(60)
    return output, errors


@contextlib.contextmanager
def start_blocked(
    directory: Path, config: dict[str, Any]
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a tap that waits for its target to read more than the first line."""
    with start_tap(directory, config) as tap:
        assert tap.stdout is not None
        tap.stdout.readline()
        stdout = tap.stdout
        wait_until(lambda: is_full(stdout))
        yield tap


async def floods(peer: RawPeer) -> None:
    await peer.upgrade()
    reading = asyncio.ensure_future(peer.wait())
    for number in itertools.count():
        peer.writer.write(frame(b'{"n": %d, "pad": "%s"}' % (number, b"x" * 1000)))
        if number % 100 == 0:
            await peer.writer.drain()
        if reading.done() or peer.writer.is_closing():
            return


def test_a_signal_while_stdout_is_blocked_waits_for_the_target(tmp_path: Path) -> None:
    with serve_raw(floods) as server:
        config = {"url": server.url, "idle_timeout": 60, "buffer_bytes": 3_000_000}
        with start_blocked(tmp_path, config) as tap:
            time.sleep(1)  # until the buffer is full, too
            tap.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            output, errors = _rest(tap)
    assert tap.returncode == 0, errors.decode()
    numbers = [json.loads(line)["record"]["n"] for line in output.splitlines()]
    assert numbers == list(range(len(numbers)))
    assert f"records={len(numbers)} " in errors.decode()


def test_a_target_that_does_not_take_it_costs_the_exit_code(tmp_path: Path) -> None:
    with serve_raw(floods) as server:
        config = {
            "url": server.url,
            "idle_timeout": 60,
            "buffer_bytes": 1_000_000,
            "drain_timeout": 1,
        }
        with start_blocked(tmp_path, config) as tap:
            begin = time.monotonic()
            tap.send_signal(signal.SIGTERM)
            assert tap.wait(60) == 1
            assert 0.9 < time.monotonic() - begin < 20
            assert tap.stderr is not None
            errors = tap.stderr.read().decode()
    assert re.search(r"drain_timeout\): [1-9]\d* records were not delivered", errors)


@pytest.mark.parametrize(
    ("second", "pause", "code"),
    [
        (signal.SIGINT, 0, 1),
        (signal.SIGTERM, 0, 0),
        (signal.SIGTERM, 2.3, 1),
    ],
    ids=["the same again", "another at once", "another later"],
)
def test_a_second_signal_by_its_rule(
    second: signal.Signals,
    pause: float,
    code: int,
    tmp_path: Path,
) -> None:
    with serve_raw(floods) as server:
        config = {"url": server.url, "idle_timeout": 60, "buffer_bytes": 1_000_000}
        with start_blocked(tmp_path, config) as tap:
            tap.send_signal(signal.SIGINT)
            # It has the first signal: two that wait are one.
            wait_until(lambda: server.peers[0].close_code)
            time.sleep(pause)
            tap.send_signal(second)
            if code:
                # Before its drain_timeout.
                assert tap.wait(20) == code
            output, errors = _rest(tap)
    assert tap.returncode == code
    assert output
    assert ("second signal" in errors.decode()) is bool(code)


LATE = """
import os
import signal

class Last:
    kill, pid, number = os.kill, os.getpid(), signal.SIGTERM

    def __del__(self):
        self.kill(self.pid, self.number)

last = Last()

from tap_websocket.tap import TapWebSocket
TapWebSocket.cli()
"""


def test_a_signal_while_the_interpreter_exits_changes_nothing(tmp_path: Path) -> None:
    with serve_raw(one_then_silent) as server:
        config = write_config(tmp_path, {"url": server.url, "max_messages": 1})
        done = subprocess.run(
            [sys.executable, "-c", LATE, "--config", config],
            capture_output=True,
            env=clean_environment(),
            cwd=tmp_path,
            timeout=30,
            check=False,
        )
    assert done.returncode == 0, done.stderr.decode()
    assert b'"RECORD"' in done.stdout


def test_a_target_that_exits_at_start(tmp_path: Path) -> None:
    with serve_raw(silent) as server:
        config = {"url": server.url, "idle_timeout": 90, "infer_timeout": 90}
        with start_tap(tmp_path, config) as tap:
            errors = lose_target(tap, within=60)
    (line,) = [line for line in errors.splitlines() if "| ERROR" in line]
    assert "target went away" in line


@pytest.mark.parametrize("maps", [{}, {"messages": {"b": "n"}}], ids=["pages", "maps"])
def test_a_target_that_goes_away_waits_for_no_server(
    maps: dict[str, Any], tmp_path: Path
) -> None:
    with serve_raw(never_reads) as server:
        config = {
            "url": server.url,
            "idle_timeout": 60,
            "close_timeout": 30,
            "infer_messages": 1,
            "flush_interval": 0.01,
            **({"stream_maps": maps} if maps else {}),
        }
        with start_tap(tmp_path, config) as tap:
            assert tap.stdout is not None
            tap.stdout.readline()
            assert "target went away" in lose_target(tap, within=20)


def test_a_delivered_run_needs_no_drain_timeout(tmp_path: Path) -> None:
    async def script(peer: RawPeer) -> None:
        await peer.upgrade(frame(b'{"n": 1}'))
        # No Close is answered.
        await peer.silence()

    with serve_raw(script) as server:
        config = {
            "url": server.url,
            "max_duration": 60,
            "infer_messages": 1,
            "flush_interval": 0.01,
            "drain_timeout": 0.3,
            "close_timeout": 1,
        }
        with start_tap(tmp_path, config) as tap:
            assert tap.stdout is not None
            assert b"SCHEMA" in tap.stdout.readline()
            assert b"RECORD" in tap.stdout.readline()
            tap.send_signal(signal.SIGTERM)
            _, stderr = tap.communicate(timeout=60)
    assert tap.returncode == 0, stderr


def test_a_pipe_that_does_not_block_gets_whole_lines(tmp_path: Path) -> None:
    async def script(peer: Peer) -> None:
        for number in range(3000):
            await peer.send(json.dumps({"n": number, "pad": "x" * 100}))
        await peer.close(1000)

    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with serve(script) as server:
        config = {"url": server.url, "max_duration": 60}
        with start_tap(tmp_path, config, stdout=writing) as tap:
            os.close(writing)
            written = b""
            while data := os.read(reading, 5000):
                written += data
            _, stderr = tap.communicate(timeout=60)
    os.close(reading)
    assert tap.returncode == 0, stderr
    lines = [json.loads(line) for line in written.splitlines()]
    assert sum(line["type"] == "RECORD" for line in lines) == 3000


def test_on_a_terminal_one_live_line(tmp_path: Path) -> None:
    async def script(peer: Peer) -> None:
        for number in itertools.count():
            await peer.send(f'{{"n": {number}}}')
            await asyncio.sleep(0.05)
            if number > 30 and b" records, " in shown:
                await peer.close()

    main, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 100))
    shown = bytearray()

    def read() -> None:
        with contextlib.suppress(OSError):
            while data := os.read(main, 65536):
                shown.extend(data)

    reader = threading.Thread(target=read)
    with serve(script) as server:
        config = {
            "url": server.url,
            "idle_timeout": 60,
            "flush_interval": 0.1,
            "infer_messages": 1,
        }
        options = ["--config", str(write_config(tmp_path, config))]
        with start(
            [*COMMAND, *options],
            stdout=subprocess.DEVNULL,
            stderr=terminal,
            env=clean_environment(),
            cwd=tmp_path,
        ) as tap:
            os.close(terminal)
            reader.start()
            assert tap.wait(60) == 0
        reader.join()
        os.close(main)
        plain = run_tap(tmp_path, config)
    text = shown.decode()
    assert re.search(r"\r[\d.]+ records, .*/s, 0 reconnects, idle \d+ s", text)
    assert " records, " not in plain.stderr
