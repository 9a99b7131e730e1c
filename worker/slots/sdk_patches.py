"""Removes two causes of growth in the SDK 0.6.7 by replacing public names of its modules.

Check with each new version of the SDK whether they are still needed.
"""

from __future__ import annotations

from typing import Any

import resonate.bridge
import resonate.resonate
from resonate.delay_q import DelayQ


class SilentLogger:
    """Stands in for `ContextLogger`, which creates a named logger for every step and keeps it.

    Each new logger clears the caches of all loggers, so a worker slows down with every step.
    Our own wrapper logs the steps.
    """

    def __init__(self, cid: str, id: str, _level: int | str = 0) -> None:
        self.cid = cid
        self.id = id

    def log(self, *_: Any, **__: Any) -> None:
        """Log nothing."""

    debug = info = warning = error = critical = log


class WakingDelayQ[T](DelayQ[T]):
    """Wakes the thread that waits for delayed retries, so that it sees that its client was stopped.

    The SDK's own queue lets that thread wait without a limit while nothing is delayed. So the
    thread outlives `stop()` and keeps the client, with all that it remembers, in memory.
    (In 0.6.7 `empty` means "has items".)
    """

    def empty(self) -> bool:
        return True

    def get(self, time: float) -> tuple[list[T], float]:
        items, next_time = super().get(time)
        return items, min(next_time or time + 1, time + 1)


def replace_growing_parts() -> None:
    """Install the replacements; call this before the first client is built."""
    vars(resonate.resonate)["ContextLogger"] = SilentLogger
    vars(resonate.bridge)["DelayQ"] = WakingDelayQ
