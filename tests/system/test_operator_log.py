"""What an operator reads of a run: metrics, errors, and never a secret."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.raw import close_frame, frame, serve_raw
from tests.support.servers import free_port, serve
from tests.support.tap import (
    run_tap,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import Peer

SECRET = "hunter2-token"


async def drops(peer: Peer) -> None:
    await peer.send('{"a": 1}')
    await peer.send("no json")
    await peer.send("[]")
    await peer.close(1011)


def test_metric_lines_carry_the_counts(tmp_path: Path) -> None:
    with serve(drops) as server:
        config = {
            "url": server.url,
            "max_messages": 3,
            "on_parse_error": "skip",
            "reconnect": True,
            "reconnect_backoff": 0.1,
        }
        run = run_tap(tmp_path, config)
    assert run.code == 0, run.stderr
    lines = [line.partition("METRIC: ")[2] for line in run.stderr.splitlines()]
    points = [json.loads(line) for line in lines if line]
    values = {point["metric"]: point["value"] for point in points}
    assert values["record_count"] == 3
    assert values["message_count"] == 3
    assert values["reconnect_count"] == 2
    assert values["skipped_count"] == 2
    assert values["ignored_count"] == 2
    assert values["byte_count"] == 3 * 8 + 2 * 7 + 2 * 2
    assert values["disconnected_seconds"] >= 0.2
    assert "sync_duration" in values


FAILURES: dict[str, Any] = {
    "refused": lambda peer: peer.status(401, body=SECRET.encode()),
    "redirected": lambda peer: peer.status(302, f"Location: /{SECRET}"),
    "closed": lambda peer: peer.upgrade(close_frame(1008, SECRET.encode())),
    "hung up": lambda peer: peer.upgrade(),
    "no json": lambda peer: peer.upgrade(frame(SECRET.encode())),
    "violation": lambda peer: peer.upgrade(frame(b"{}", rsv=2)),
}


@pytest.mark.parametrize("transport", ["websockets", "picows"])
@pytest.mark.parametrize("failure", [*FAILURES, "unreachable"])
def test_secrets_never_show(failure: str, transport: str, tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        if failure == "unreachable":
            port = free_port()
        else:
            port = stack.enter_context(serve_raw(FAILURES[failure])).port
        config = {
            "url": f"ws://user:{SECRET}@localhost:{port}/{SECRET}/?token={SECRET}",
            "headers": {"X-Key": SECRET},
            "auth": {"type": "bearer", "token": SECRET},
            "subscribe_messages": [SECRET, {"message": {"key": SECRET}}],
            "max_messages": 1,
            "transport": transport,
            "connect_timeout": 2,
        }
        run = run_tap(tmp_path, config, env={"LOGLEVEL": "DEBUG"})
    assert run.code == 1
    assert SECRET not in run.stderr
    assert SECRET.encode() not in run.stdout


def test_no_traceback_above_debug_level(tmp_path: Path) -> None:
    with serve_raw(FAILURES["no json"]) as server:
        config = {"url": server.url, "max_messages": 1}
        run = run_tap(tmp_path, config)
        debug = run_tap(tmp_path, config, env={"LOGLEVEL": "DEBUG"})
    assert "Traceback" not in run.stderr
    assert len(run.errors) == 1
    assert "Traceback" in debug.stderr


@pytest.mark.parametrize("given", [{"infer_messages": 5}, {"infer_messages": 0}])
def test_records_before_a_fatal_document_of_the_first_message(
    given: dict[str, Any], tmp_path: Path
) -> None:
    async def script(peer: Peer) -> None:
        await peer.send('{"n": 1}\n{"n": 2}\nno JSON\n{"n": 3}')
        await peer.wait()

    with serve(script) as server:
        config = {
            "url": server.url,
            "record_separator": "\n",
            "max_duration": 60,
            **given,
        }
        run = run_tap(tmp_path, config)
    assert run.code == 1
    assert len(run.records) == 2
    assert "messages=1 records=2 " in run.ending
