"""A file that several processes write: whole at any moment, and no change is undone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tap_websocket.columns.location import open_location
from tap_websocket.errors import LocationError

if TYPE_CHECKING:
    from pathlib import Path


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
