"""The tap as its users run it: the command line, Singer messages, exit codes."""

from __future__ import annotations

import json
import re
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.scripts import TRADE, trades
from tests.support.servers import free_port, serve
from tests.support.tap import lose_target, run_tap, start_tap, write_config

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import Kind, Peer


def test_a_sync_writes_a_schema_and_the_records(kind: Kind, tmp_path: Path) -> None:
    with serve(trades, kind) as server:
        run = run_tap(tmp_path, {"url": server.url, "max_messages": 250})
    assert run.code == 0
    assert [message["type"] for message in run.messages[:2]] == ["SCHEMA", "RECORD"]
    (schema,) = run.schemas
    assert set(schema["properties"]) == {*TRADE, "_rescued_data"}
    assert [record["trade_id"] for record in run.records] == list(range(1, 251))
    assert "max_messages" in run.ending
    assert "records=250" in run.ending
    assert {message["type"] for message in run.messages} == {"SCHEMA", "RECORD"}


@pytest.mark.parametrize("given", [{}, {"infer_messages": 0}, {"envelope": True}])
def test_the_connection_test_takes_one_message(
    given: dict[str, Any],
    tmp_path: Path,
) -> None:
    async def one(peer: Peer) -> None:
        await peer.send(json.dumps(TRADE))
        await peer.wait()

    with serve(one) as server:
        config = {"url": server.url, "idle_timeout": 60, **given}
        begin = time.monotonic()
        run = run_tap(tmp_path, config, "--test")
        assert time.monotonic() - begin < 30
    assert run.code == 0
    assert len(run.records) == 1


@pytest.mark.parametrize(
    ("ends", "limit"),
    [
        ({"max_duration": 2}, "2 s (max_duration)"),
        ({"idle_timeout": 2}, "2 s (idle_timeout)"),
    ],
)
def test_the_connection_test_without_data_is_an_error(
    ends: dict[str, Any], limit: str, tmp_path: Path
) -> None:
    async def one(peer: Peer) -> None:
        await peer.send(json.dumps(TRADE))
        await peer.wait()

    with serve(one) as server:
        config = {"url": server.url, "records_path": "$.wrong", **ends}
        run = run_tap(tmp_path, config, "--test")
    assert run.code == 1
    assert not run.records
    (error,) = run.errors
    assert f"No data message came in {limit}: 1 document was ignored" in error


@pytest.mark.parametrize("form", [None, "json", "markdown"])
def test_about(form: str | None, tmp_path: Path) -> None:
    options = () if form is None else ("--format", form)
    run = run_tap(tmp_path, None, "--about", *options)
    assert run.code == 0
    text = run.stdout.decode()
    for name in ("url", "max_messages", "stream_maps", "batch_config"):
        assert name in text
    if form == "json":
        about = json.loads(text)
        assert about["name"] == "tap-websocket"
        assert "state" not in about["capabilities"]
        assert "activate-version" not in about["capabilities"]


def test_version_and_help(tmp_path: Path) -> None:
    assert b"tap-websocket" in run_tap(tmp_path, None, "--version").stdout
    assert b"--discover" in run_tap(tmp_path, None, "--help").stdout


def test_several_config_files_are_merged(tmp_path: Path) -> None:
    with serve(trades) as server:
        first = write_config(tmp_path, {"url": "ws://elsewhere/", "max_messages": 7})
        run = run_tap(tmp_path, {"url": server.url}, "--config", str(first))
        assert run.code == 1
        run = run_tap(
            tmp_path,
            {"max_messages": 9, "stream_name": "trades"},
            "--config",
            str(write_config(tmp_path, {"url": server.url, "max_messages": 7})),
        )
    assert run.code == 0
    assert len(run.records) == 7
    assert {message["stream"] for message in run.messages} == {"trades"}


def test_the_environment_gives_the_same_run(tmp_path: Path) -> None:
    with serve(trades) as server:
        run = run_tap(
            tmp_path,
            None,
            "--config=ENV",
            env={
                "TAP_WEBSOCKET_URL": server.url,
                "TAP_WEBSOCKET_MAX_MESSAGES": "12",
                "TAP_WEBSOCKET_FLUSH_INTERVAL": "0.5",
                "TAP_WEBSOCKET_RECORD_METADATA": "true",
                "TAP_WEBSOCKET_HEADERS": '{"X-Api.Key": "abc"}',
                "TAP_WEBSOCKET_AUTH": '{"type": "bearer", "token": "t0ken"}',
                "TAP_WEBSOCKET_SUBSCRIBE_MESSAGES": '["one", {"message": {"op": 1}}]',
            },
        )
        (peer,) = server.peers
    assert run.code == 0
    assert len(run.records) == 12
    assert run.records[0]["_connection"] == 1
    assert peer.headers["x-api.key"] == "abc"
    assert peer.headers["authorization"] == "Bearer t0ken"


def test_a_misspelt_variable_is_warned_about(tmp_path: Path) -> None:
    env = {"TAP_WEBSOCKET_MAX_MESAGES": "1", "TAP_WEBSOCKET__LOAD_SCHEMA": "x"}
    run = run_tap(tmp_path, None, "--config=ENV", env=env)
    (warning,) = [line for line in run.stderr.splitlines() if "WARNING" in line]
    assert "max_mesages: is not a setting of this tap" in warning
    assert "did you mean 'max_messages'?" in warning


@pytest.mark.parametrize("option", ["--config", "--catalog"])
def test_a_file_that_cannot_be_used_is_one_line(option: str, tmp_path: Path) -> None:
    config = {"url": "ws://localhost:1/", "max_messages": 1}
    path = tmp_path / "nothing.json"
    if option == "--config":
        missing = run_tap(tmp_path, config, option, str(path))
        assert missing.code == 1
        (error,) = missing.errors
        assert "nothing.json' was not found" in error
    path.write_text('{"url": "ws://localhost/",}')
    broken = run_tap(tmp_path, config, f"{option}={path}")
    assert broken.code == 1
    (error,) = broken.errors
    assert "nothing.json: is not valid JSON: " in error


@pytest.mark.parametrize(
    ("option", "content", "line"),
    [
        ("--config", b'{"url": "\xff"}', "a file of the command line is not UTF-8"),
        ("--config", b"[" * 100_000, "a file of the command line is nested too deeply"),
        ("--config", b"null", "a file of the command line does not hold a JSON object"),
        ("--config", b'"x"', "a file of the command line does not hold a JSON object"),
        ("--config", b'{"a": %b}' % (b"9" * 5000), "numbers of thousands of digits"),
        ("--catalog", b"\xff", "a file of the command line is not UTF-8"),
        ("--catalog", b"[" * 100_000, "is nested too deeply"),
        ("--catalog", b"[]", "the catalog is not one that --discover writes"),
        ("--catalog", b'{"streams": [null]}', "the catalog is not one that"),
        (
            "--catalog",
            b'{"streams": [{"tap_stream_id": "a", "schema": {"properties": []}}]}',
            "the catalog is not one that --discover writes",
        ),
    ],
    ids=range(10),
)
def test_a_file_of_anything_else_is_one_line(
    option: str, content: bytes, line: str, tmp_path: Path
) -> None:
    path = tmp_path / "odd.json"
    path.write_bytes(content)
    run = run_tap(tmp_path, {"url": "ws://localhost:1/"}, f"{option}={path}")
    assert run.code == 1
    (error,) = run.errors
    assert line in error


def test_a_variable_that_is_nested_too_deeply_is_one_line(tmp_path: Path) -> None:
    env = {
        "TAP_WEBSOCKET_URL": "ws://localhost:1/",
        "TAP_WEBSOCKET_MAX_MESSAGES": "1",
        "TAP_WEBSOCKET_CONTEXTS": "[" * 5000 + "]" * 5000,
    }
    run = run_tap(tmp_path, None, "--config=ENV", env=env)
    (error,) = run.errors
    assert "contexts: is nested too deeply" in error


def test_a_setting_that_no_variable_can_be_called_is_unknown(tmp_path: Path) -> None:
    run = run_tap(
        tmp_path, {"url": "ws://localhost:1/", "max_messages": 1, "\ud800": 1}
    )
    (error,) = run.errors
    assert "Connection refused" in error


def test_an_unknown_level_of_the_log_is_one_line(tmp_path: Path) -> None:
    config = {"url": "ws://localhost:1/", "max_messages": 1}
    run = run_tap(tmp_path, config, env={"TAP_WEBSOCKET_LOGLEVEL": "loud"})
    assert run.code == 1
    assert run.stderr == "TAP_WEBSOCKET_LOGLEVEL, or LOGLEVEL: Unknown level: 'LOUD'\n"


def test_the_first_steps_get_advice(tmp_path: Path) -> None:
    url = f"ws://localhost:{free_port()}/"
    run = run_tap(tmp_path, {"url": url, "max_messages": 1})
    (error,) = run.errors
    assert "Connection refused; does the server run, and is the port of url" in error
    run = run_tap(tmp_path, {"url": "ws://nobody.invalid/", "max_messages": 1})
    (error,) = run.errors
    assert "the name cannot be resolved" in error
    assert "check the host of url" in error


def test_a_dotenv_file_is_read_with_the_environment(tmp_path: Path) -> None:
    with serve(trades) as server:
        text = f"TAP_WEBSOCKET_URL={server.url}\nTAP_WEBSOCKET_MAX_MESSAGES=3\n"
        (tmp_path / ".env").write_text(text)
        run = run_tap(tmp_path, None, "--config=ENV")
    assert run.code == 0, run.stderr
    assert len(run.records) == 3


def test_state_is_accepted_and_ignored(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_text('{"bookmarks": {"messages": {"replication_key_value": 5}}}')
    with serve(trades) as server:
        config = {"url": server.url, "max_messages": 20_000 // 40}
        run = run_tap(tmp_path, config, "--state", str(state))
    assert run.code == 0
    assert len(run.records) == 500
    assert not run.of_type("STATE")
    assert not run.of_type("ACTIVATE_VERSION")


async def three_in_one(peer: Peer) -> None:
    """Send one message with three records."""
    await peer.send(json.dumps([{"id": number} for number in (1, 2, 3)]))
    await peer.wait()


@pytest.mark.parametrize("maps", [None, {"messages": {"twice": "id * 2"}}])
def test_the_connection_test_prints_each_record_of_its_message(
    maps: dict[str, Any] | None,
    tmp_path: Path,
) -> None:
    with serve(three_in_one) as server:
        config = {"url": server.url, "idle_timeout": 60}
        if maps is not None:
            config["stream_maps"] = maps
        run = run_tap(tmp_path, config, "--test")
    assert run.code == 0
    assert [record["id"] for record in run.records] == [1, 2, 3]
    assert '"status":"succeeded"' in run.stderr
    assert "--test: 1 message was received" in run.ending


def test_batch_files(tmp_path: Path) -> None:
    import gzip  # noqa: PLC0415

    batch = {
        "encoding": {"format": "jsonl", "compression": "gzip"},
        "storage": {"root": f"file://{tmp_path}/batches", "prefix": "x-"},
        "batch_size": 30,
    }
    (tmp_path / "batches").mkdir()
    with serve(trades) as server:
        config = {"url": server.url, "max_messages": 100, "batch_config": batch}
        run = run_tap(tmp_path, config)
    assert run.code == 0
    assert not run.records
    rows: list[Any] = []
    for message in run.of_type("BATCH"):
        for name in message["manifest"]:
            with gzip.open(name.removeprefix("file://")) as lines:
                rows += [json.loads(line) for line in lines]
    assert [row["trade_id"] for row in rows] == list(range(1, 101))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_with_everything_received(
    number: signal.Signals,
    tmp_path: Path,
) -> None:
    with (
        serve(trades) as server,
        start_tap(tmp_path, {"url": server.url, "idle_timeout": 60}) as tap,
    ):
        assert tap.stdout is not None
        head = [tap.stdout.readline() for _ in range(1001)]
        tap.send_signal(number)
        rest, errors = tap.communicate(timeout=60)
    (peer,) = server.peers
    assert tap.returncode == 0, errors
    lines = head + rest.splitlines()
    assert len(lines) == 1001
    assert number.name in errors.decode()
    assert peer.close_code == 1001


def test_a_target_that_goes_away_is_one_line_and_prompt(tmp_path: Path) -> None:
    with (
        serve(trades) as server,
        start_tap(tmp_path, {"url": server.url, "idle_timeout": 60}) as tap,
    ):
        assert tap.stdout is not None
        tap.stdout.readline()
        errors = lose_target(tap, within=25)
    (line,) = [line for line in errors.splitlines() if "| ERROR" in line]
    assert "target went away" in line
    assert re.search(r"when \d+ records were handed to it", line)
    (ended,) = [line for line in errors.splitlines() if "The run ended" in line]
    assert ": the target closed the pipe; messages=" in ended
    assert "Traceback" not in errors
