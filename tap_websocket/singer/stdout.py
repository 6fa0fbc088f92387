"""What becomes of stdout when it cannot be written any more."""

from __future__ import annotations

import os

from tap_websocket.errors import DeliveryError

__all__ = ["send_to_nowhere", "unwritable"]


def send_to_nowhere(descriptor: int) -> None:
    """Let stdout go nowhere: the interpreter flushes it at its exit.

    It would fail there again, and end with 120.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def unwritable(error: OSError) -> DeliveryError:
    """Return the error of a stdout that takes nothing: a full disk, say."""
    return DeliveryError(
        f"stdout cannot be written ({error.strerror}); nothing more is written"
    )
