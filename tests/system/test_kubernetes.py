"""The manifests of `deploy/kubernetes`: valid, agreeing, and their script works."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from scripts.tools import ROOT, tool
from tap_websocket.settings import coerce, read_settings, schema
from tests.support.processes import start
from tests.support.servers import serve
from tests.support.tap import clean_environment, write_config

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from tests.support.servers import Peer

FOLDER = ROOT / "deploy" / "kubernetes"
WORKLOADS = ("job.yaml", "statefulset.yaml")
OLDEST, NEWEST = "1.33", "1.37"


def manifests(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8")))


def validate(path: Path, version: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            tool("kubernetes-validate"),
            "--strict",
            "--kubernetes-version",
            version,
            path,
        ],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("name", ["config.yaml", *WORKLOADS])
def test_a_manifest_is_valid(name: str, version: str) -> None:
    done = validate(FOLDER / name, version)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_misspelt_manifest_is_not_valid(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    text = (FOLDER / name).read_text(encoding="utf-8")
    path.write_text(text.replace("terminationGracePeriodSeconds", "gracePeriod"))
    assert validate(path, NEWEST).returncode == 1


def workload(name: str) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    (manifest,) = manifests(name)
    pod = manifest["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    return manifest["spec"], pod, container


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_pod_is_a_shard(name: str) -> None:
    spec, _, container = workload(name)
    variables = {entry["name"]: entry for entry in container["env"]}
    count = int(variables["TAP_WEBSOCKET_SHARD_COUNT"]["value"])
    pods = (
        {spec["replicas"]}
        if name == "statefulset.yaml"
        else {spec["completions"], spec["parallelism"]}
    )
    assert pods == {count}
    index = variables["TAP_WEBSOCKET_SHARD_INDEX"]["valueFrom"]["fieldRef"]["fieldPath"]
    assert index == (
        "metadata.labels['apps.kubernetes.io/pod-index']"
        if name == "statefulset.yaml"
        else "metadata.annotations['batch.kubernetes.io/job-completion-index']"
    )


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_pod_has_time_to_drain_and_keeps_its_schema(name: str) -> None:
    _, pod, container = workload(name)
    secret, claim = manifests("config.yaml")
    config = json.loads(secret["stringData"]["tap.json"])
    prepared = coerce.prepare(config, schema())
    assert not prepared.problems
    assert not prepared.warnings
    settings = read_settings(prepared.config, prepared.given)
    assert not settings.warnings
    needed = settings.delivery.drain_timeout + settings.connection.close_timeout
    assert pod["terminationGracePeriodSeconds"] > needed
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}
    assert container["resources"]["limits"].keys() == {"memory"}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    assert (
        volumes[mounts["/config"]]["secret"]["secretName"]
        == (secret["metadata"]["name"])
    )
    assert (
        volumes[mounts["/schema"]]["persistentVolumeClaim"]["claimName"]
        == (claim["metadata"]["name"])
    )
    assert config["schema_location"].startswith("/schema/")
    assert json.loads(secret["stringData"]["target.json"])["host"]


def start_shard(
    directory: Path,
    config: dict[str, Any],
    target: str | Path | None = None,
    keep: Path | None = None,
    keep_seconds: int = 600,
) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """Start the container's script, with target-jsonl for the target.

    It is over when the block is left.
    """
    target_config = {"destination_path": str(directory), "do_timestamp_file": False}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return start(
        [FOLDER / "run-shard"],
        env=clean_environment(
            {
                "PATH": path,
                "TAP_CONFIG": str(write_config(directory, config)),
                "TARGET": str(target or tool("target-jsonl")),
                "TARGET_CONFIG": str(write_config(directory, target_config)),
                "TAP_WEBSOCKET_SHARD_INDEX": "0",
                "TAP_WEBSOCKET_SHARD_COUNT": "1",
                "KEEP": str(keep or ""),
                "KEEP_SECONDS": str(keep_seconds),
            },
        ),
        cwd=directory,
        stderr=subprocess.PIPE,
    )


def run_shard(*arguments: Any, **given: Any) -> tuple[int, str]:
    """Run the script to its end; return its exit code and what it logged."""
    with start_shard(*arguments, **given) as script:
        _, errors = script.communicate(timeout=60)
    return script.returncode, errors.decode()


async def steady(peer: Peer) -> None:
    await peer.send('{"n": 1}')
    await peer.send('{"n": 2}')
    await peer.wait()


def config_for(url: str) -> dict[str, Any]:
    return {
        "url": url + "/{topic}",
        "topics": ["a"],
        "topics_per_connection": 1,
        "infer_messages": 1,
        "max_duration": 60,
        "flush_interval": 0.1,
    }


def test_a_signal_reaches_the_tap_and_the_target_has_everything(tmp_path: Path) -> None:
    received = threading.Event()

    async def feed(peer: Peer) -> None:
        await peer.send('{"n": 1}')
        await peer.send('{"n": 2}')
        await peer.all_read()
        received.set()
        await peer.wait()

    with (
        serve(feed) as server,
        start_shard(tmp_path, config_for(server.url)) as script,
    ):
        assert received.wait(120)
        script.send_signal(signal.SIGTERM)
        _, errors = script.communicate(timeout=60)
    assert script.returncode == 0, errors.decode()
    assert b"SIGTERM was received" in errors
    (peer,) = server.peers
    assert peer.close_code == 1001
    lines = (tmp_path / "messages.jsonl").read_text().splitlines()
    assert [json.loads(line)["n"] for line in lines] == [1, 2]


def test_a_shard_whose_tap_fails_fails(tmp_path: Path) -> None:
    async def fall(peer: Peer) -> None:
        await peer.reset()

    with serve(fall) as server:
        code, log = run_shard(tmp_path, config_for(server.url))
    assert code == 1, log


def test_a_shard_whose_target_fails_fails(tmp_path: Path) -> None:
    with serve(steady) as server:
        config = {**config_for(server.url), "idle_timeout": 3}
        code, log = run_shard(tmp_path, config, "false")
    assert code == 1, log


def failing_target(directory: Path) -> Path:
    """A target that ends after the first record."""
    target = directory / "target"
    target.write_text("#!/bin/sh\nread -r schema\nread -r record\nexit 3\n")
    target.chmod(0o755)
    return target


def kept_numbers(file: Path) -> list[int]:
    messages = [json.loads(line) for line in file.read_text().splitlines()]
    return [one["record"]["n"] for one in messages if one["type"] == "RECORD"]


def test_a_shard_keeps_what_a_failing_target_did_not_take(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    with serve(steady) as server:
        config = {**config_for(server.url), "max_duration": 600}
        code, log = run_shard(tmp_path, config, failing_target(tmp_path), kept, 1)
    assert code == 3, log
    (file,) = kept.iterdir()
    (counted,) = re.findall(r"The run ended.* records=(\d+)", log)
    assert kept_numbers(file) == [1, 2][: int(counted)] != []
    assert f"< {file}" in log
    assert file.suffix == ".jsonl"
    written = file.with_suffix(".part")
    reason = f"target failed (exit code 3); the tap goes on into {written} for 1 s"
    assert -1 < log.index(reason) < log.index("SIGTERM was received")


def test_a_shard_goes_on_into_the_file_when_its_target_has_failed(
    tmp_path: Path,
) -> None:
    failed = tmp_path / "failed"
    target = failing_target(tmp_path)
    target.write_text(target.read_text().replace("exit", f"touch {failed}\nexit"))

    async def feed(peer: Peer) -> None:
        await peer.send('{"n": 1}')
        while not failed.exists():
            await asyncio.sleep(0.05)
        await peer.send('{"n": 2}')
        await peer.wait()

    kept = tmp_path / "kept"
    kept.mkdir()
    with serve(feed) as server:
        config = {**config_for(server.url), "max_messages": 2}
        # Over by itself, long before the seconds are.
        code, log = run_shard(tmp_path, config, target, kept)
    assert code == 3, log
    (file,) = kept.iterdir()
    assert kept_numbers(file) == [1, 2]


def test_a_shard_says_that_the_folder_to_keep_is_not_there(tmp_path: Path) -> None:
    code, log = run_shard(tmp_path, {}, keep=tmp_path / "none")
    assert code == 1
    expected = f"KEEP: the folder {tmp_path / 'none'} is not there\n"
    assert log == expected


def test_the_command_of_the_target_may_have_options(tmp_path: Path) -> None:
    given = tmp_path / "given"
    target = tmp_path / "target"
    target.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{given}\ncat >/dev/null\n')
    target.chmod(0o755)
    with serve(steady) as server:
        config = {**config_for(server.url), "max_messages": 2}
        code, log = run_shard(tmp_path, config, f"{target} --config=ENV *")
    assert code == 0, log
    options = given.read_text().splitlines()
    assert options[:3] == ["--config=ENV", "*", "--config"]
    assert len(options) == 4


def test_a_shard_keeps_nothing_that_its_target_took(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    with serve(steady) as server:
        config = {**config_for(server.url), "max_messages": 2}
        code, log = run_shard(tmp_path, config, keep=kept)
    assert code == 0, log
    assert not list(kept.iterdir())
    lines = (tmp_path / "messages.jsonl").read_text().splitlines()
    assert [json.loads(line)["n"] for line in lines] == [1, 2]
