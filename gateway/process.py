"""What a gateway sets for its whole process: open files, and when Python collects garbage."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import resource
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


def allow_many_connections() -> None:
    """Raise the limit of open files as far as allowed: each waiting client is one."""
    _, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # the old limit still works
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))


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
