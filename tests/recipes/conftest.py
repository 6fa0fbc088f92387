"""Fixtures of the recipes' tests."""

from __future__ import annotations

import pytest

from tests.support import receive


@pytest.fixture(autouse=True)
def _transport(monkeypatch: pytest.MonkeyPatch) -> None:
    """Carry runs in this process by websockets; `auto` gives processes picows."""
    monkeypatch.setattr(receive, "transport", "websockets")
