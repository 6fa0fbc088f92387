"""Run what blocks beside the loop."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["in_thread"]

_Result = TypeVar("_Result")


async def in_thread(act: Callable[[], _Result]) -> _Result:
    """Run what blocks in a thread of its own, and return what it returns.

    A run that ends meanwhile, at a signal say, does not wait for it, as it would for
    a thread of the loop's pool.
    """
    future: concurrent.futures.Future[_Result] = concurrent.futures.Future()

    def run() -> None:
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(act())
            except BaseException as error:  # noqa: BLE001 - raised where it is awaited
                future.set_exception(error)

    threading.Thread(target=run, name="tap-websocket-request", daemon=True).start()
    return await asyncio.wrap_future(future)
