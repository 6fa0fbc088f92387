"""A file that several processes write: whole at any moment, and no change is undone."""

from __future__ import annotations

import concurrent.futures
import json
import os
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

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def add(number: int) -> Callable[[bytes | None], bytes]:
    def change(data: bytes | None) -> bytes:
        return json.dumps([*json.loads(data or b"[]"), number]).encode()

    return change


def test_no_file_is_none_and_an_update_makes_it(tmp_path: Path) -> None:
    location = open_location(str(tmp_path / "schema.json"))
    location.check()
    assert location.read() is None
    location.update(lambda data: (data or b"") + b"one")
    location.update(lambda data: (data or b"") + b"two")
    location.update(lambda _: None)
    assert location.read() == b"onetwo"
    assert location.is_conditional
    assert open_location(f"file://{tmp_path}/schema.json").read() == b"onetwo"
    assert {path.name for path in tmp_path.iterdir()} == {
        "schema.json",
        "schema.json.lock",
    }


def test_mode_and_link_of_the_file_stay(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    real = tmp_path / "elsewhere" / "real.json"
    real.write_bytes(b"old")
    real.chmod(0o640)
    link = tmp_path / "link.json"
    link.symlink_to(real)
    open_location(str(link)).update(lambda _: b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"
    assert real.stat().st_mode & 0o777 == 0o640


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


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("missing/schema.json", "folder .* does not exist"),
        ("folder", "cannot be read: Is a directory"),
        ("pipe", "cannot be read: it is no regular file"),
        ("large", "too large"),
        ("file/schema.json", "folder .* does not exist"),
        ("x" * 300, "File name too long"),
        ("nul\0", "NUL"),
    ],
)
def test_what_is_no_such_file_is_an_error_of_one_line(
    name: str,
    problem: str,
    tmp_path: Path,
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "large").open("wb") as large:
        large.truncate(2**30)

    def start() -> None:
        location = open_location(str(tmp_path / name))
        location.check()
        location.read()

    with pytest.raises(LocationError, match=problem) as caught:
        start()
    assert "\n" not in str(caught.value)
    assert "schema_location" in str(caught.value)


def test_a_file_that_cannot_be_written_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "schema.json"
    location = open_location(str(path))
    location.update(lambda _: b"old")
    # What is written before the rename finds a folder in its place.
    (tmp_path / ".schema.json.tmp").mkdir()
    with pytest.raises(LocationError, match="cannot be written"):
        location.update(lambda _: b"new")
    assert path.read_bytes() == b"old"


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
        writer = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(path), str(first)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert writer.stdout is not None
        numbers = {int(writer.stdout.readline())}
        time.sleep(chance.random() / 20)
        writer.send_signal(signal.SIGKILL)
        # A line that the kill cut off was not said.
        rest = writer.stdout.read().splitlines(keepends=True)
        writer.wait()
        writer.stdout.close()
        numbers.update(int(line) for line in rest if line.endswith("\n"))
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


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("nope://host/schema.json", "Protocol not known: nope"),
        ("gs://bucket/schema.json", "gcsfs"),
    ],
)
def test_a_url_that_nothing_reads_names_what_to_install(url: str, problem: str) -> None:
    with pytest.raises(LocationError, match=problem):
        open_location(url)


def test_a_store_without_conditions_says_so() -> None:
    location = open_location("memory://folder/schema.json")
    location.check()
    assert not location.is_conditional
    assert location.read() is None
    location.update(lambda _: b"new")
    assert location.read() == b"new"


def test_credentials_in_a_url_are_not_shown() -> None:
    with pytest.raises(LocationError) as caught:
        open_location("sftp://user:secret@host/path?key=secret")
    assert "secret" not in str(caught.value)
    assert "sftp://host/path" in str(caught.value)
