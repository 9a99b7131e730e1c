"""Two causes of growth in the SDK 0.6.7, removed by replacing public names of its modules.

To be looked at again with each new version of the SDK.
"""

from __future__ import annotations

from typing import Any

import resonate.bridge
import resonate.resonate
from resonate.delay_q import DelayQ


class SilentLogger:
    """Stands in for `ContextLogger`, which makes a named logger for every step, for ever.

    Each new one clears the caches of all loggers, so a worker slows down with every step it runs.
    What there is to say of a step is logged by our own wrapper.
    """

    def __init__(self, cid: str, id: str, _level: int | str = 0) -> None:
        self.cid = cid
        self.id = id

    def log(self, *_: Any, **__: Any) -> None:
        """Say nothing."""

    debug = info = warning = error = critical = log


class WakingDelayQ[T](DelayQ[T]):
    """Lets the thread that waits for delayed retries see that its client was stopped.

    That thread waits without a limit while nothing is delayed; so it outlives `stop()` and keeps
    the client, with all that it remembers, in memory. (In 0.6.7 `empty` means "has items".)
    """

    def empty(self) -> bool:
        return True

    def get(self, time: float) -> tuple[list[T], float]:
        items, next_time = super().get(time)
        return items, min(next_time or time + 1, time + 1)


def replace_growing_parts() -> None:
    """Install the replacements; call it before the first client is built."""
    vars(resonate.resonate)["ContextLogger"] = SilentLogger
    vars(resonate.bridge)["DelayQ"] = WakingDelayQ
