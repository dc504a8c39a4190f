"""Background tasks that are neither lost to the garbage collector nor silent when they fail."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from gateway.observe import log

_running: set[asyncio.Task[Any]] = set()


def spawn(coroutine: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
    """Run `coroutine` in the background; what it raises is logged under `name`."""
    task = asyncio.create_task(coroutine, name=name)
    _running.add(task)
    task.add_done_callback(_done)
    return task


async def cancel_all() -> None:
    """End every task that still runs, and wait until each has ended."""
    tasks = [task for task in _running if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _done(task: asyncio.Task[Any]) -> None:
    _running.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        log.event("error", "task-failed", task=task.get_name(), error=repr(error))
