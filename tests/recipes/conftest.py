"""Fixtures of the recipes' tests."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support import receive
from tests.support.protobuf import TICKS, compile_protos

if TYPE_CHECKING:
    from pathlib import Path

_KEYS = {
    "binance.pem": ("ED25519",),
    "coinbase.pem": ("EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
}
"""The key files that pages name."""


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that pages name."""
    folder = tmp_path_factory.mktemp("keys")
    for name, options in _KEYS.items():
        command = ["openssl", "genpkey", "-algorithm", *options]
        subprocess.run([*command, "-out", str(folder / name)], check=True)
    compile_protos(TICKS.with_name("mexc.proto"), folder)
    return folder


@pytest.fixture(autouse=True)
def _in_folder(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run where the key files are, as a user would."""
    monkeypatch.chdir(keys)


@pytest.fixture(autouse=True)
def _transport(monkeypatch: pytest.MonkeyPatch) -> None:
    """Carry runs in this process by websockets; `auto` gives processes picows."""
    monkeypatch.setattr(receive, "transport", "websockets")
