"""Which failed tries of a step clients are shown."""

from __future__ import annotations

from typing import Final

SHORTEST_SHOWN: Final = 0.5
"""Seconds between the records of two failed tries, or the step's begin and the first record, at
least: what is shown for less passes before a client could ask again, and a step that fails quickly
must not cost many more calls. The time until the next try counts."""


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
