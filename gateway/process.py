"""When Python looks for cycles: seldom while many clients wait, since it stops everything else.

A full collection looks at every object there is, and each client that waits is some dozens of them:
with ten thousand it takes a third of a second. What goes by itself is most of what there is, so
the young are looked through as always, and the old when few clients are there.
"""

from __future__ import annotations

import asyncio
import gc
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

LOOK_SECONDS: Final = 5.0
FEW: Final = 500
"""Connections with which a full collection takes some 20 ms."""

AT_LEAST_EVERY: Final = 600.0
"""Seconds, however many there are."""

EVERY: Final = 30.0
YOUNG: Final = (5_000, 10, 1_000_000)
"""Thresholds of the three generations; the last is never reached."""


async def collect_when_quiet(connections: Callable[[], int]) -> None:
    """Collect garbage of old age at good moments, until this is cancelled."""
    gc.set_threshold(*YOUNG)
    gc.freeze()  # what is there from the start will be there at the end
    collected = time.monotonic()
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        age = time.monotonic() - collected
        if age > AT_LEAST_EVERY or (age > EVERY and connections() <= FEW):
            gc.collect()
            collected = time.monotonic()
