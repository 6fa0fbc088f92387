"""Errors of handshakes."""

from __future__ import annotations

from tap_websocket.network.errors import Unreachable, forget_frames


def test_errors_in_a_circle_forget_their_frames() -> None:
    first, second = Unreachable("first"), OSError("second")
    for error, cause in ((first, second), (second, first)):
        try:
            raise error from cause
        except (Unreachable, OSError):
            assert error.__traceback__ is not None
    forget_frames(first)
    assert first.__traceback__ is None
    assert second.__traceback__ is None
