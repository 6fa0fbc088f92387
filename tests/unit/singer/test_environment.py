"""Settings from variables and from a `.env` file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tap_websocket.singer.environment import (
    dotenv_settings,
    read_dotenv,
    settings_in,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_only_names_with_the_prefix_are_settings() -> None:
    variables = {
        "TAP_WEBSOCKET_URL": "ws://a/",
        "TAP_WEBSOCKET_NOBODY": "1",
        "TAP_WEBSOCKET__CATALOG": "an extra of Meltano",
        "TAP_WEBSOCKET_EMPTY": None,
        "http_proxy": "http://evil/",
        "SSLKEYLOGFILE": "keys.log",
    }
    found = settings_in(variables, "TAP_WEBSOCKET_")
    assert found == {"url": "ws://a/", "nobody": "1"}


def test_a_parents_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TAP_WEBSOCKET_URL=ws://evil/\n")
    inner = tmp_path / "inner"
    inner.mkdir()
    assert read_dotenv(inner) == {}


def test_a_file_is_read_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTHER_SECRET", "hunter2")
    text = "\ufeffA=1\nexport B='two words'\nC=${OTHER_SECRET}\nnonsense\n"
    (tmp_path / ".env").write_text(text)
    found = read_dotenv(tmp_path)
    assert found["A"] == "1"
    assert found["B"] == "two words"
    assert found["C"] == "${OTHER_SECRET}"
    assert "A" not in os.environ


def test_a_link_to_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "mounted").write_text("A=1\n")
    (tmp_path / ".env").symlink_to("mounted")
    assert read_dotenv(tmp_path) == {"A": "1"}


def test_a_fifo_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".env")
    with pytest.raises(OSError, match="not a regular file"):
        read_dotenv(tmp_path)


def test_a_virtual_environment_of_that_name_is_no_file(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    assert read_dotenv(tmp_path) == {}


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    with (tmp_path / ".env").open("wb") as file:
        file.truncate(2 * 1024 * 1024)
    with pytest.raises(OSError, match="larger than"):
        read_dotenv(tmp_path)


def test_the_file_is_named_when_it_is_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / ".env").write_text("X_B=hunter2\nX_A=1\nX_LOGLEVEL=DEBUG\nOTHER=1\n")
    with caplog.at_level("INFO"):
        assert dotenv_settings(tmp_path, "X_") == {"a": "1", "b": "hunter2"}
    assert caplog.messages == [f"Settings from {tmp_path / '.env'}: a, b"]


def test_a_file_without_settings_is_not_mentioned(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / ".env").write_text("OTHER=1\n")
    with caplog.at_level("DEBUG"):
        assert dotenv_settings(tmp_path, "X_") == {}
    assert not caplog.messages


@pytest.mark.parametrize("data", [b"X_A=\xff\n", None])
def test_a_file_that_cannot_be_read_is_a_warning(
    data: bytes | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if data is None:
        os.mkfifo(tmp_path / ".env")
    else:
        (tmp_path / ".env").write_bytes(data)
    assert dotenv_settings(tmp_path, "X_") == {}
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert str(tmp_path / ".env") in record.getMessage()
