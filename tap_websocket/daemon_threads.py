"""Calls in threads that nothing waits for, neither the run's end nor Python's."""

from __future__ import annotations

import concurrent.futures
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["call_in_thread", "fulfil"]

_Result = TypeVar("_Result")


def fulfil(
    future: concurrent.futures.Future[_Result], call: Callable[[], _Result]
) -> None:
    """Make a call, and give a future what comes of it; not if that was cancelled."""
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as error:  # noqa: BLE001 - raised where it is awaited
        future.set_exception(error)
    else:
        future.set_result(result)


def call_in_thread(
    call: Callable[[], _Result], *, name: str
) -> concurrent.futures.Future[_Result]:
    """Start a call in a daemon thread of its own, and return what comes of it.

    Args:
        call: What blocks, perhaps for ever.
        name: The name of the thread.
    """
    future: concurrent.futures.Future[_Result] = concurrent.futures.Future()
    threading.Thread(target=fulfil, args=(future, call), name=name, daemon=True).start()
    return future
