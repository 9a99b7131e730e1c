"""Passes offers on that another worker could start at once, and asks for more where there is room.

The server offers a task to one worker, and to another one only 5 s later (`timeToClaim`). Without
help a worker that was offered a burst would keep it while a worker that joins has nothing to do.

1. A worker that has room acquires the server's lock `idle.<group>` again and again. The lock lapses
   by itself.
2. A worker with more offers than slots tries to acquire the same lock. If it is refused, another
   worker has room.
3. The worker claims the offers that it passes on, with a lease of 1 ms and under another process
   id, so that no renewal keeps them. When the lease ends, the server offers these tasks to any
   worker of the group.

A worker whose inbox is stuck passes all its offers on, without a look at the lock: since the inbox
is full, its stream ends with the next offer, and the tasks that nobody else has room for are set
aside until a worker asks for them. The worker watches the oldest of those, so that its metrics can
say for how long they wait.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from shared.log import get_logger
from shared.resonate.tasks import TaskState
from shared.resonate.transport import Refused, Unanswered
from worker.tasks.supply import Supply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.resonate.tasks import Locks, Tasks
    from worker.tasks.offers import Inbox, Offer

PERIOD_SECONDS: Final = 0.1
"""Seconds between two looks at the inbox."""

IDLE_LOCK_MILLISECONDS: Final = 250
"""Milliseconds that the "I have room" lock lasts: a little more than two periods, so that it does
not lapse in between."""

SHOW_ROOM_SECONDS: Final = 10.0
"""Seconds for which a worker that gets room shows it: the server spreads later offers over all
workers by itself."""

MAX_PASSED_ON: Final = 200
"""Offers that are passed on in one period, at most."""

CALLS_AT_ONCE: Final = 8
"""Offers that are passed on at the same time. One after the other they would take longer than the
worker takes to start what waits."""


MOST_WATCHED: Final = 16
"""Tasks that are watched after they were passed on: the oldest ones."""

WATCH_SECONDS: Final = 2.0
"""Seconds between two looks at the tasks that are watched."""


class Watched:
    """The oldest tasks that a stuck worker has passed on, until somebody claims them.

    `turn` is for one thread, `oldest` for any.
    """

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self._offers: Sequence[Offer] = ()
        self._looked_at = float("-inf")

    def __len__(self) -> int:
        return len(self._offers)

    def add(self, offers: Sequence[Offer]) -> None:
        """Watch these tasks too, as far as they are among the oldest."""
        known = {offer.task: offer for offer in (*self._offers, *offers)}
        self._offers = sorted(known.values(), key=lambda each: each.created_at)[:MOST_WATCHED]

    def oldest(self) -> Offer | None:
        """Return the oldest offer whose task nobody has claimed, as of the last look."""
        offers = self._offers
        return offers[0] if offers else None

    def turn(self) -> None:
        """Forget the oldest tasks if they do not wait any more; call it again and again."""
        now = time.monotonic()
        if not self._offers or now - self._looked_at < WATCH_SECONDS:
            return
        self._looked_at = now
        while self._offers and not self._waits(self._offers[0]):
            self._offers = self._offers[1:]

    def _waits(self, offer: Offer) -> bool:
        try:
            return self._tasks.state(offer.task) is TaskState.FREE
        except Refused:
            return False
        except Unanswered:
            return True


class Rebalancer:
    """Watches the inbox of a worker with `slots` slots. `tasks` should answer or fail fast."""

    def __init__(  # noqa: PLR0913 - what it works with
        self, tasks: Tasks, locks: Locks, inbox: Inbox, *, group: str, pid: str, slots: int
    ) -> None:
        self._tasks = tasks
        self._locks = locks
        self._inbox = inbox
        self._lock = f"idle.{group}"
        self._pid = pid
        self._slots = slots
        self._supply = Supply(locks, inbox, group=group, pid=pid, slots=slots)
        self.watched = Watched(tasks)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rebalancer", daemon=True)
        self._log = get_logger()

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._closed.set()

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def pass_on(self, offers: Sequence[Offer], seconds: float) -> Sequence[Offer]:
        """Make the server offer tasks again, to any worker; stop after this many seconds.

        Returns the offers for which there was no time; their claims are still to be made.
        """
        if not offers:
            return []
        end = time.monotonic() + seconds
        with ThreadPoolExecutor(min(CALLS_AT_ONCE, len(offers))) as threads:
            passed = list(threads.map(lambda offer: self._pass(offer, end), offers))
        return [offer for offer, is_passed in zip(offers, passed, strict=True) if not is_passed]

    def _pass(self, offer: Offer, end: float) -> bool:
        """Claim an offer for an instant; False if there is no time left for that."""
        if time.monotonic() > end:
            return False
        try:
            self._tasks.claim_raw(offer.task, offer.counter, f"{self._pid}-rebalancer", 1)
        except Refused:
            pass
        except Unanswered as error:
            self._log.debug("offers not passed on", reason=str(error))
        return True

    def _run(self) -> None:
        room_since: float | None = None
        while True:
            self._supply.turn()
            self.watched.turn()
            waiting = len(self._inbox)
            if self._inbox.is_stuck():
                self.watched.add(self._pass_newest_on(keep=0, limit=MAX_PASSED_ON))
            elif waiting > self._slots:
                self._share(waiting - self._slots)
            if waiting > self._slots // 2 or self._inbox.is_stuck():
                room_since = None
            else:
                room_since = room_since or time.monotonic()
                if time.monotonic() - room_since < SHOW_ROOM_SECONDS:
                    self._acquire(self._pid, IDLE_LOCK_MILLISECONDS)
            if self._closed.wait(PERIOD_SECONDS):
                return

    def _share(self, excess: int) -> None:
        """Pass excess offers on if another worker has room; some of them will come back here."""
        if self._acquire(f"{self._pid}-looking", 1):  # nobody else has the lock, so nobody has room
            return
        self._pass_newest_on(keep=self._slots, limit=min(excess, MAX_PASSED_ON))

    def _pass_newest_on(self, *, keep: int, limit: int) -> Sequence[Offer]:
        """Pass offers on, and return those that were taken from the inbox for that."""
        offers = self._inbox.take_newest(keep=keep, limit=limit)
        if not offers:
            return offers
        kept = self.pass_on(offers, PERIOD_SECONDS)
        self._inbox.put_back(kept)
        self._log.debug("offers passed on", count=len(offers) - len(kept))
        return offers

    def _acquire(self, holder: str, milliseconds: int) -> bool:
        """Acquire the lock; False if another holder has it, True if the server cannot say."""
        try:
            self._locks.acquire(self._lock, holder, self._pid, milliseconds)
        except Refused:
            return False
        except Unanswered:
            return True
        return True
