"""Growing pauses for executions that go wrong again and again."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import Final

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0
"""Seconds before a claim of the same execution is dropped for the second time, doubled up to the
longest; the first time there is no pause."""

FORGOTTEN_SECONDS: Final = 300.0
"""Seconds after which an execution counts as one that has not gone wrong."""

MOST_REMEMBERED: Final = 10_000
"""Executions whose pauses are remembered."""


class GrowingPauses:
    """Counts how often each execution has gone wrong in this process. Safe to use from threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def next(self, execution: str) -> float:
        """Return the seconds to wait this time; the next time it is longer."""
        now = time.monotonic()
        with self._lock:
            count, at = self._counts.pop(execution, (0, now))
            if now - at > FORGOTTEN_SECONDS:
                count = 0
            self._counts[execution] = count + 1, now
            while len(self._counts) > MOST_REMEMBERED:
                self._counts.popitem(last=False)
        if count == 0:
            return 0.0
        return float(min(FIRST_PAUSE * 2 ** min(count - 1, 60), LONGEST_PAUSE))
