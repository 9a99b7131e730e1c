"""The server's clock, which rules all deadlines, delays and waits, measured by its answers.

The server ends and wakes executions by its own clock. So what is computed here is computed by that
clock too, or everything would be early or late by as much as this machine's clock is wrong.
"""

from __future__ import annotations

import threading
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from shared.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

NOTED_SECONDS: Final = 1.0
"""Seconds of difference beyond which it is logged, and below half of which its end is logged."""

DRIFT: Final = 0.001
"""Seconds that two clocks may drift apart in a second."""


class ServerClock:
    """Gives the server's time. Safe to use from any thread, and a clock for the SDK.

    An answer of 12:00:07 to a question that was asked at 12:00:05.2 by `local` and answered at
    12:00:05.3 means: the server is 1.7 to 2.8 s ahead, since its times are whole seconds. What many
    answers say narrows this down to the time that one answer takes.
    """

    def __init__(self, local: Callable[[], float] = time.time) -> None:
        self._local = local
        self._lock = threading.Lock()
        self._least, self._most = float("-inf"), float("inf")
        self._updated_at = 0.0
        self._date: tuple[str, float] = ("", 0.0)
        self._noted = False

    @property
    def measured(self) -> bool:
        """Whether the server has answered at all."""
        return self._most != float("inf")

    @property
    def skew(self) -> float:
        """Seconds that this machine's clock is behind the server's, at least; ahead if negative."""
        return min(max(self._least, 0.0), self._most) if self.measured else 0.0

    def local(self) -> float:
        """Return the time by this machine's clock."""
        return self._local()

    def time(self) -> float:
        """Return the server's time in seconds since the epoch, as far as it is known."""
        least, most = self._least, self._most
        offset = 0.0 if least <= 0.0 <= most else (least + most) / 2
        return self._local() + offset

    def strftime(self, format: str, /) -> str:
        return time.strftime(format, time.gmtime(self.time()))

    def learn(self, date: str | None, asked_at: float) -> None:
        """Learn from the `Date` of an answer to a question that was asked at a local time."""
        now = self._local()
        with self._lock:
            if not date or not self._parse(date):
                return
            server = self._date[1]
            least, most = server - now, server + 1 - asked_at
            drift = max(now - self._updated_at, 0.0) * DRIFT
            merged = max(least, self._least - drift), min(most, self._most + drift)
            # One of the clocks was set: what was known is no longer true.
            self._least, self._most = merged if merged[0] <= merged[1] else (least, most)
            self._updated_at = now
            noted = abs(self.skew) > (NOTED_SECONDS / 2 if self._noted else NOTED_SECONDS)
            changed, self._noted = noted != self._noted, noted
        if changed and noted:
            get_logger().warning("clock differs from the server's", seconds=round(self.skew, 1))
        elif changed:
            get_logger().info("clock agrees with the server's again")

    def _parse(self, date: str) -> bool:
        if date != self._date[0]:
            try:
                self._date = date, parsedate_to_datetime(date).timestamp()
            except ValueError:
                return False
        return True
