"""How fast a worker takes offers, and how many its inbox holds for that."""

from __future__ import annotations

import time
from typing import Final

SUPPLY_SECONDS: Final = 2.0
"""Seconds for which the offers of a full inbox last, at the pace of late: well before they are
stale. An inbox from which nothing was taken for so long is stuck."""

FEWEST_OFFERS: Final = 64
MOST_OFFERS: Final = 1000
"""Offers of a full inbox, however slow or fast executions are."""

PACE_SECONDS: Final = 0.5
"""Seconds after which the pace is measured anew."""


class Pace:
    """Counts offers that are taken; `limit` is the number of offers of a full inbox."""

    def __init__(self, fewest: int) -> None:
        self._fewest = fewest
        self.limit = fewest
        self._taken_at = float("-inf")
        self._taken = 0
        self._measured_at = time.monotonic()

    def count(self) -> None:
        """Count an offer that is taken now."""
        self._taken += 1
        self._taken_at = time.monotonic()

    def rests(self, since: float) -> bool:
        """Return whether none was taken for `SUPPLY_SECONDS`, at least since this time."""
        return time.monotonic() - max(since, self._taken_at) >= SUPPLY_SECONDS

    def measure(self) -> None:
        """Measure the pace if it is time, and adapt the limit."""
        passed = time.monotonic() - self._measured_at
        if passed < PACE_SECONDS:
            return
        lasting = round(self._taken / passed * SUPPLY_SECONDS)
        self.limit = max(self._fewest, min(MOST_OFFERS, max(lasting, self.limit // 2)))
        self._taken, self._measured_at = 0, time.monotonic()
