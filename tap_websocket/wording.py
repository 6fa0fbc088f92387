"""Words of log lines and errors that depend on a number."""

from __future__ import annotations

__all__ = ["counted", "counted_bytes"]


def counted(number: int, one: str, more: str) -> str:
    """Return a number and what it counts.

    Args:
        number: How many.
        one: What follows on 1.
        more: What follows on any other number.
    """
    return f"{number} {one if number == 1 else more}"


def counted_bytes(number: int) -> str:
    """Return a number of bytes with its unit."""
    return counted(number, "byte", "bytes")
