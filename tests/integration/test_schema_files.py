"""The file of `schema_location`, written by several at once: nothing is undone."""

from __future__ import annotations

import concurrent.futures
import json
import random
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tap_websocket.columns.location import LocalFile, open_location
from tap_websocket.errors import LocationError
from tests.support.processes import start

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def add(number: int) -> Callable[[bytes | None], bytes]:
    def change(data: bytes | None) -> bytes:
        return json.dumps([*json.loads(data or b"[]"), number]).encode()

    return change


def test_no_writer_undoes_another(tmp_path: Path) -> None:
    path = str(tmp_path / "schema.json")

    def write(number: int) -> None:
        open_location(path).update(add(number))

    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(200)))
    assert sorted(json.loads(open_location(path).read() or b"")) == list(range(200))


def test_the_lock_is_waited_for_and_then_given_up(tmp_path: Path) -> None:
    holder = LocalFile(tmp_path / "schema.json")
    waiter = LocalFile(tmp_path / "schema.json", lock_seconds=0.2)
    inside, leave = threading.Event(), threading.Event()

    def hold(data: bytes | None) -> bytes | None:
        inside.set()
        leave.wait(20)
        return data

    thread = threading.Thread(target=holder.update, args=[hold])
    thread.start()
    try:
        assert inside.wait(20)
        with pytest.raises(LocationError, match=r"held its lock for 0\.2 s"):
            waiter.update(lambda _: b"new")
        assert waiter.read() is None
    finally:
        leave.set()
        thread.join()
    waiter.update(lambda _: b"new")
    assert waiter.read() == b"new"


_WRITER = """
import itertools, json, sys
from tap_websocket.columns.location import open_location

location = open_location(sys.argv[1])
for number in itertools.count(int(sys.argv[2])):
    location.update(
        lambda data: json.dumps([*json.loads(data or b"[]"), number]).encode()
    )
    print(number, flush=True)
"""


def test_a_killed_writer_leaves_a_whole_file_and_no_lock(tmp_path: Path) -> None:
    """A hundred writers, two at a time, killed at a random moment each."""
    path = tmp_path / "schema.json"
    chance = random.Random(7)  # noqa: S311 - moments, not secrets
    said: set[int] = set()

    def run(first: int) -> set[int]:
        command = [sys.executable, "-c", _WRITER, str(path), str(first)]
        with start(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            numbers = {int(writer.stdout.readline())}
            time.sleep(chance.random() / 20)
            writer.send_signal(signal.SIGKILL)
            # A line that the kill cut off was not said.
            rest = writer.stdout.read().splitlines(keepends=True)
        numbers.update(int(line) for line in rest if line.endswith(b"\n"))
        assert numbers <= set(json.loads(path.read_bytes()))
        return numbers

    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        for numbers in threads.map(run, range(0, 100_000_000, 1_000_000)):
            said |= numbers
    found = json.loads(path.read_bytes())
    assert said <= set(found)
    assert len(found) == len(set(found))
    open_location(str(path)).update(add(-1))
    assert len(list(tmp_path.iterdir())) <= 3


def test_an_object_is_written_on_the_version_that_was_read(bucket: str) -> None:
    url = f"{bucket}/versions.json"
    location, other = open_location(url), open_location(url)
    assert location.is_conditional
    assert location.read() is None
    seen: list[bytes | None] = []

    def change(data: bytes | None) -> bytes:
        seen.append(data)
        if len(seen) in {1, 3}:
            other.update(lambda data: (data or b"") + b"[other]")
        return (data or b"") + b"[mine]"

    location.update(change)
    assert location.read() == b"[other][mine]"
    location.update(change)
    assert location.read() == b"[other][mine][other][mine]"
    assert seen == [
        None,
        b"[other]",
        b"[other][mine]",
        b"[other][mine][other]",
    ]


def test_several_writers_of_an_object_undo_nothing(bucket: str) -> None:
    url = f"{bucket}/writers.json"

    def write(number: int) -> None:
        open_location(url).update(add(number))

    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        list(threads.map(write, range(12)))
    assert sorted(json.loads(open_location(url).read() or b"")) == list(range(12))


def test_what_a_store_answers_is_an_error_of_one_line(bucket: str) -> None:
    location = open_location("s3://no-such-bucket/schema.json")
    with pytest.raises(LocationError, match="cannot be written") as caught:
        location.update(lambda _: b"new")
    assert "\n" not in str(caught.value)
    with pytest.raises(LocationError, match="it is a folder"):
        open_location(bucket).read()
