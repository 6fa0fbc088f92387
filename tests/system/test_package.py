"""What is in the wheel and in the sdist: the tap, and nothing astray."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

from scripts.declared import ROOT
from tap_websocket import __version__

if TYPE_CHECKING:
    from pathlib import Path

NAME = f"tap_websocket-{__version__}"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [
            *(sys.executable, "-m", "build", "--installer", "uv"),
            *("--outdir", str(directory), str(ROOT)),
        ],
        check=True,
        capture_output=True,
    )
    return directory


def modules() -> set[str]:
    return {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "tap_websocket").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel(built: Path) -> None:
    with zipfile.ZipFile(built / f"{NAME}-py3-none-any.whl") as wheel:
        names = set(wheel.namelist())
        metadata = wheel.read(f"{NAME}.dist-info/METADATA").decode()
    packaged = {name for name in names if not name.startswith(f"{NAME}.dist-info/")}
    assert packaged == modules()
    assert {"tap_websocket/py.typed", "tap_websocket/config.schema.json"} <= packaged
    licenses = {f"{NAME}.dist-info/licenses/LICENSE-{one}" for one in ("MIT", "APACHE")}
    assert licenses <= names
    # The index shows the README, where relative links lead nowhere.
    assert "# tap-websocket" in metadata
    assert "](docs/" not in metadata


def test_the_sdist(built: Path) -> None:
    with tarfile.open(built / f"{NAME}.tar.gz") as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    beside = {name for name in names if not name.startswith("tap_websocket/")}
    assert {name for name in names if name not in beside} == modules()
    assert beside == {
        ".gitignore",
        "CHANGELOG.md",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "PKG-INFO",
        "README.md",
        "pyproject.toml",
    }
