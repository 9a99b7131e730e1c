"""Steps and functions that were running when workers were lost, and how they are run again.

One of them may be what ends its workers, and the others only shared a worker with it. So each
start is recorded, and who was running when two workers were lost is a suspect. A worker runs its
suspects one at a time, so that what ends it is found:

1. Ten steps run on worker-1, and one of them ends it. Each has lost a worker once.
2. All ten run on worker-2, which is lost too. Each has lost two workers: all are suspects.
3. On worker-3 the one that was started last is first. It ends worker-3, and has lost three workers.
4. From now on it comes before the others, which are not started and so lose nothing more.
5. When it has lost `WORKER_MAX_RECOVERIES` workers it is not started again. That explains what the
   others on its worker have lost, so they run at the same time. Should one of them end a worker,
   the others have lost three by then, and wait for their turns from now on.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from shared.resonate.codec import Failure, clip

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SUSPECT: Final = 2
"""Lost workers with which a step is a suspect: the first two workers can be lost by chance."""

GATHER_SECONDS: Final = 0.5
"""Seconds that a suspect waits before its turn: those of a lost worker come one after the other."""

TURN_SECONDS: Final = 30.0
"""Seconds after which the next suspect is started beside one that still runs."""

EXPLAINED_SECONDS: Final = 5.0
"""Seconds after a suspect was found out for which the others run as if they were none."""

PERIOD_SECONDS: Final = 0.1
"""Seconds between two looks of a suspect that waits."""


@dataclass(frozen=True)
class Starts:
    """How often a step, or a function's body, was started by earlier claims.

    `lost` has the names of the workers that were lost, `last` the time of the last start in
    milliseconds by the server's clock.
    """

    count: int
    lost: Sequence[str]
    last: int

    @property
    def suspect(self) -> bool:
        return len(self.lost) >= SUSPECT

    def failure(self, what: str, step: str | None = None) -> Failure:
        """Return why there is no further start."""
        message = f"{len(self.lost)} workers were lost while {what} ran: {', '.join(self.lost)}"
        return Failure("WorkerLost", clip(message), step, self.count)


@dataclass(eq=False)
class Turn:
    """One suspect of this worker: it waits, runs, and is released."""

    starts: Starts
    suspects: Suspects
    since: float = field(default_factory=time.monotonic)
    running: bool = False

    @property
    def rank(self) -> tuple[int, int]:
        """Who has lost most comes first, then who was started last before a worker was lost."""
        return len(self.starts.lost), self.starts.last

    def release(self) -> None:
        self.suspects.release(self)


class Suspects:
    """The suspects of this worker, of which one is started at a time."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._turns: list[Turn] = []
        self._explained_until = float("-inf")
        self.found = 0
        """How many were not started again here."""

    def acquire(self, starts: Starts, check: Callable[[], None]) -> Turn:
        """Wait for a turn; raise what `check` raises, which is called again and again meanwhile."""
        turn = Turn(starts, self)
        with self._changed:
            self._turns.append(turn)
            try:
                while not self._is_next(turn):
                    self._changed.wait(PERIOD_SECONDS)
                    check()
            except BaseException:
                self._turns.remove(turn)
                raise
            turn.running, turn.since = True, time.monotonic()
        return turn

    def release(self, turn: Turn) -> None:
        """End a turn; it may have ended already."""
        with self._changed:
            if turn in self._turns:
                self._turns.remove(turn)
            self._changed.notify_all()

    def found_out(self) -> None:
        """Note that one has lost so many workers that it is not started again."""
        with self._changed:
            self.found += 1
            self._explained_until = time.monotonic() + EXPLAINED_SECONDS
            self._changed.notify_all()

    def _is_next(self, turn: Turn) -> bool:
        now = time.monotonic()
        if now < self._explained_until and len(turn.starts.lost) == SUSPECT:
            return True
        if now - turn.since < GATHER_SECONDS:
            return False
        if any(other.running and now - other.since < TURN_SECONDS for other in self._turns):
            return False
        waiting = [other for other in self._turns if not other.running]
        return turn is max(waiting, key=lambda other: other.rank)
