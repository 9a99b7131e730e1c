"""When the webhooks that must wait for a receiver may come again.

Each webhook that must wait gets a turn of its own, one after the other. Example: a receiver takes
15 s for a call, and a worker makes 4 calls to it at a time. Then the turns are 15 s / 4 apart, and
the hundredth webhook waits 375 s at once, instead of asking again and again.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Final

LEAST_SECONDS: Final = 1.0
"""Shortest wait for a turn, and shortest time for which a receiver is closed, in seconds."""

LONGEST_WAIT_SECONDS: Final = 60 * 60.0
"""Longest wait for a turn once the receiver is open, in seconds. A webhook that would have to wait
longer gets no turn, and asks again after half to all of this time."""

LONGEST_GAP_SECONDS: Final = 2.0
"""Seconds between two turns at a receiver that throttles, at most: once it takes calls again, those
who wait should come soon."""

LONGEST_PAUSE_SECONDS: Final = 300.0
"""Seconds for which a receiver that throttles, and does not say how long, is left alone at most."""

RELAXATION: Final = 0.5
"""Factor of gap and pause with each answer, so that speed is believed only after some calls."""


@dataclass
class Pace:
    """How one worker paces its calls to one receiver; all times are of one monotonic clock.

    `calls` is how many calls the worker makes to the receiver at a time. `gap` is the seconds
    between two turns as long as the receiver does not throttle, and `pause` the seconds for which
    it was last left alone when it did, unless it said for how long.
    """

    calls: int
    gap: float = 0.0
    pause: float = 0.0
    closed_at: float = -math.inf
    closed_until: float = -math.inf
    next_turn: float = -math.inf

    def admits(self, now: float, *, in_turn: bool) -> bool:
        """Return whether a call may be made now; `in_turn` if it has waited for its turn."""
        return now >= self.closed_until and (in_turn or now >= self.next_turn)

    def turn(self, now: float, running: float = 0) -> float:
        """Give out the next turn; return the seconds until then.

        `running` is for how long the oldest of the calls in the way has been running: it is taken
        to last as long again.
        """
        turn = max(self.next_turn, self.closed_until, now + LEAST_SECONDS)
        opens = max(self.closed_until, now)
        if turn > opens + LONGEST_WAIT_SECONDS:
            jitter = 0.5 + random.random() / 2  # noqa: S311 - no secret
            return opens - now + LONGEST_WAIT_SECONDS * jitter
        gap = max(self.gap, 2 * running / self.calls, self.pause)
        throttles = self.pause >= LEAST_SECONDS
        self.next_turn = turn + (min(gap, LONGEST_GAP_SECONDS) if throttles else gap)
        return turn - now

    def answered(self, seconds: float) -> None:
        """Note a call that took this long, until its answer or in vain."""
        self.gap = max(seconds / self.calls, self.gap * RELAXATION)
        self.pause *= RELAXATION

    def throttled(self, began: float, now: float, asked: float | None) -> None:
        """Close the receiver for the seconds that it `asked` for, or for longer each time."""
        if began >= self.closed_at:  # or the call ran beside the one that closed the receiver
            self.pause = min(max(self.pause * 2, LEAST_SECONDS), LONGEST_PAUSE_SECONDS)
            self.closed_at = now
        seconds = max(self.pause if asked is None else asked, LEAST_SECONDS)
        self.closed_until = max(self.closed_until, now + seconds)

    def is_idle(self, now: float) -> bool:
        """Return whether nobody waits any more, so that the pace may be forgotten."""
        return now >= self.closed_until and now >= self.next_turn
