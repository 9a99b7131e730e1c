"""Passes offers on that another worker could start at once.

The server offers a task to one worker and waits 5 s (`timeToClaim`) before it offers it to another,
so a worker that was handed a burst would sit on it while one that joins has nothing to do. A worker
that has room says so with a lock of the server's that runs out by itself; one with a backlog
looks for that, and if it is there, claims its surplus of offers under another process id for a
moment. When that ends, the server offers them to any worker of the group.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from shared.log import get_logger
from shared.resonate.transport import Refused, Unanswered

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shared.resonate.tasks import Locks, Tasks
    from worker.tasks.offers import Inbox, Offer

PERIOD_SECONDS: Final = 0.1
ROOM_MILLISECONDS: Final = 250
"""A little longer than two periods, so that the word stands while it is true."""

SAID_SECONDS: Final = 10.0
"""For so long a worker says that it has room: offers made later are spread over all there are."""

MOST_AT_ONCE: Final = 200


class Rebalancer:
    """Looks after the inbox of a worker with `slots` slots. `tasks` should answer or fail fast."""

    def __init__(  # noqa: PLR0913 - what it stands between
        self, tasks: Tasks, locks: Locks, inbox: Inbox, *, group: str, pid: str, slots: int
    ) -> None:
        self._tasks = tasks
        self._locks = locks
        self._inbox = inbox
        self._lock = f"idle.{group}"
        self._pid = pid
        self._slots = slots
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rebalancer", daemon=True)
        self._log = get_logger()

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._closed.set()

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def pass_on(self, offers: Iterable[Offer], seconds: float) -> int:
        """Have the server offer tasks again, to any worker, until the time is over.

        Returns for how many it was done; the others are offered again after `timeToClaim`.
        """
        end = time.monotonic() + seconds
        passed = 0
        for offer in offers:
            if time.monotonic() > end:
                break
            try:
                self._tasks.claim_raw(offer.task, offer.counter, f"{self._pid}-rebalancer", 1)
            except Refused:
                continue
            except Unanswered as error:
                self._log.debug("offers not passed on", reason=str(error))
                break
            passed += 1
        return passed

    def _run(self) -> None:
        room_since: float | None = None
        while True:
            waiting = len(self._inbox)
            if waiting > self._slots:
                self._share(waiting - self._slots)
            if waiting > self._slots // 2:
                room_since = None
            else:
                room_since = room_since or time.monotonic()
                if time.monotonic() - room_since < SAID_SECONDS:
                    self._acquire(self._pid, ROOM_MILLISECONDS)
            if self._closed.wait(PERIOD_SECONDS):
                return

    def _share(self, surplus: int) -> None:
        """Pass the surplus on, if a worker has room; a part of it will come back here."""
        if self._acquire(f"{self._pid}-looking", 1):
            return
        offers = self._inbox.take_newest(keep=self._slots, limit=min(surplus, MOST_AT_ONCE))
        passed = self.pass_on(offers, PERIOD_SECONDS)
        self._log.debug("offers passed on", count=passed)

    def _acquire(self, by: str, milliseconds: int) -> bool:
        """Take the lock; False if somebody else has it. Counts trouble as nobody."""
        try:
            self._locks.acquire(self._lock, by, self._pid, milliseconds)
        except Refused:
            return False
        except Unanswered:
            return True
        return True
