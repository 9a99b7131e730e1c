"""When Python collects garbage: seldom, and not during work that makes very many objects."""

from __future__ import annotations

import asyncio
import gc
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable


CHECK_SECONDS: Final = 5.0
QUIET_CONNECTIONS: Final = 500
"""Connections with which a full collection takes about 20 ms."""

QUIET_SECONDS: Final = 30.0
"""Seconds between two full collections while there are no more connections than that."""

BUSY_SECONDS: Final = 600.0
"""Seconds between two full collections while there are more."""

THRESHOLDS: Final = (5_000, 10, 1_000_000)
"""For `gc.set_threshold`; the last is never reached, so Python starts no full collection itself."""


def without_collections[T](call: Callable[[], T]) -> T:
    """Call it without collections of garbage; one thread may do so at a time.

    A collection visits the objects that were made lately. Half a million lists are visited again
    and again while they are made, which takes three times as long as to make them, and reference
    counting frees them anyway.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return call()
    finally:
        if was_enabled:
            gc.enable()


async def collect_when_quiet(connections: Callable[[], int]) -> None:
    """Collect garbage when few clients are connected, until this is cancelled.

    A full collection visits every object, and each waiting client is dozens of objects: with ten
    thousand clients it would hold the loop for a third of a second. Most objects are freed by
    reference counting, so full collections can be rare.
    """
    gc.set_threshold(*THRESHOLDS)
    gc.freeze()  # objects from the start live to the end
    collected = time.monotonic()
    while True:
        await asyncio.sleep(CHECK_SECONDS)
        age = time.monotonic() - collected
        if age > BUSY_SECONDS or (age > QUIET_SECONDS and connections() <= QUIET_CONNECTIONS):
            gc.collect()
            collected = time.monotonic()
