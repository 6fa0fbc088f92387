"""A unit test needs no network, process or sleep: one that asks for any fails."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_REFUSED = frozenset(
    {"socket.bind", "socket.connect", "subprocess.Popen", "os.fork", "time.sleep"}
)
_asked: list[str] | None = None


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    del arguments
    if _asked is not None and event in _REFUSED:
        _asked.append(event)


# A hook stays as long as the process, in which other tests may follow.
sys.addaudithook(_audit)


@pytest.fixture(autouse=True)
def in_this_process_alone() -> Iterator[None]:
    """Fail a test that opens a connection, starts a process or sleeps."""
    global _asked  # noqa: PLW0603 - the hook cannot be removed
    _asked = []
    yield
    asked, _asked = _asked, None
    assert not asked, f"a unit test asked for {asked}: move it to tests/integration"
