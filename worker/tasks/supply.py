"""Asks the server for offers while this worker has room.

The server offers a new task once. If no worker takes offers then, it sets the task aside and tries
again by itself after a pause that grows to minutes (deploy/store/sqlite.sql). So that no task waits
for that while a worker has room:

1. A worker whose inbox is half empty acquires a lock `offers.<any>` with its group and the number
   of offers that it wants.
2. A trigger in the server's store makes this many of the oldest tasks that were set aside due.
3. The server offers them to the workers of the group.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from shared.log import get_logger
from shared.resonate.transport import Refused, Unanswered

if TYPE_CHECKING:
    from shared.resonate.tasks import Locks
    from worker.tasks.offers import Inbox

SHORTEST_PAUSE: Final = 0.1
"""Seconds between two requests while they bring enough for all slots, or all that was asked for."""

LONGEST_PAUSE: Final = 1.0
"""Seconds between two requests that bring less: what waits is found within this time."""


class Supply:
    """Keeps the inbox of a worker with `slots` slots supplied."""

    def __init__(self, locks: Locks, inbox: Inbox, *, group: str, pid: str, slots: int) -> None:
        self._locks = locks
        self._inbox = inbox
        self._group = group
        self._pid = pid
        self._slots = slots
        self._requests = 0
        self._received = 0
        self._wanted = 0
        self._asked_at = float("-inf")
        self._pause = SHORTEST_PAUSE
        self._log = get_logger()

    def turn(self) -> None:
        """Ask for offers if the inbox has room and it is time; call it again and again."""
        wanted = self._inbox.wanted()
        received = self._inbox.received
        if received - self._received >= min(self._slots, self._wanted):
            self._pause = SHORTEST_PAUSE  # there may be more where these came from
        now = time.monotonic()
        if wanted == 0 or now - self._asked_at < self._pause:
            return
        self._asked_at, self._received, self._wanted = now, received, wanted
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        self._ask(wanted)

    def _ask(self, wanted: int) -> None:
        self._requests += 1
        # A new lock each time, as the trigger needs it; the server removes it at its next turn.
        resource = f"offers.{self._pid}.{self._requests}"
        try:
            self._locks.acquire(resource, self._group, str(wanted), 1)
        except (Refused, Unanswered) as error:
            self._log.debug("offers not asked for", reason=str(error))
            self._pause = SHORTEST_PAUSE
