"""When a failed step is retried, and which of its failed tries clients are shown."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from worker.durable.arguments import checked_seconds

DOUBLINGS: Final = 60
"""Doublings of a pause at most: many more would overflow a float."""

SHORTEST_SHOWN: Final = 0.5
"""Seconds between the records of two failed tries, or the step's begin and the first record, at
least: what is shown for less passes before a client could ask again, and a step that fails quickly
must not cost many more calls. The time until the next try counts."""


@dataclass(frozen=True)
class RetryPolicy:
    """At most `max_attempts` attempts, with growing pauses between them.

    The first pause is `initial_interval` seconds, and each further one twice as long, up to
    `max_interval`; of each a random part between half and all is waited. With the defaults the
    pauses are at most 0.2, 0.4, 0.8 and 1.6 s.

    A step that raises `NonRetryableError`, or a class in `non_retryable`, is not retried.
    """

    # The SDK's own default would retry a failing step for ever.

    max_attempts: int = 5
    initial_interval: float = 0.2
    max_interval: float = 5.0
    non_retryable: tuple[type[BaseException], ...] = ()

    def __post_init__(self) -> None:
        whole = isinstance(self.max_attempts, int)
        if (
            not whole
            or self.max_attempts < 1
            or not 0 <= self.initial_interval <= self.max_interval
        ):
            raise ValueError(
                "a retry policy needs max_attempts >= 1 and 0 <= initial_interval <= max_interval"
            )
        checked_seconds(self.max_interval, "max_interval")

    def pause(self, failed_attempts: int) -> float | None:
        """Return the seconds to wait after this many failed attempts, None to give up."""
        if failed_attempts >= self.max_attempts:
            return None
        pause: float = min(
            self.initial_interval * 2.0 ** min(failed_attempts - 1, DOUBLINGS), self.max_interval
        )
        return pause * (0.5 + random.random() / 2)  # noqa: S311 - jitter


class RecordedTries:
    """Which failed tries of a step are recorded in the store, where a record stays for ever.

    A failed try is recorded if, since the record before, the step has been failing for as long
    again by the time of its next try, and never for less than `SHORTEST_SHOWN`. Growing pauses are
    all recorded. Of pauses of about a second, tries 1, 2, 3, 4, 6, 10, 18 and so on are: about 16
    records for 10,000 tries, a few more for a million.
    """

    def __init__(self, began: float) -> None:
        self._recorded = began
        self._first: float | None = None
        self._failing_when_recorded = 0.0

    def is_due(self, now: float, pause: float) -> bool:
        """Return whether to record a try that has failed at `now`; times are in seconds."""
        self._first = now if self._first is None else self._first
        needed = max(SHORTEST_SHOWN, self._failing_when_recorded)
        if now + pause - self._recorded < needed:
            return False
        self._recorded, self._failing_when_recorded = now, now - self._first
        return True
