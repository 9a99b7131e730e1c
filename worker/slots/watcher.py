"""Gives a slot back when its claim is over, whatever the user's code does.

Every `PERIOD_SECONDS` a thread looks at the claims under which an execution runs:
1. A claim that was lost on a write is over at once.
2. Of a claim that has written nothing for `PROOF_SECONDS` the server is asked: the execution was
   canceled, has timed out, or belongs to another worker. Past the deadline, by the clock of this
   machine, and without a valid lease it is asked in every period. With hundreds of such claims
   each is asked about in its turn.
3. The slot of a claim that is over goes on with a new client. Threads that are still in user code
   a second later count as left behind.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from shared.log import get_logger
from shared.resonate.transport import Refused, Unanswered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.resonate.tasks import Tasks
    from worker.slots.slot import Slot
    from worker.tasks.claims import Claim
    from worker.tasks.leases import Leases
    from worker.user_calls import UserCalls

PERIOD_SECONDS: Final = 0.2
"""Seconds between two looks at the running claims."""

PROOF_SECONDS: Final = 1.0
"""Seconds for which the server's last word on a claim is enough."""

MOST_ASKED: Final = 50
"""Claims of which the server is asked in one period: a worker with a thousand long steps would ask
a thousand times a second."""

ENDING_SECONDS: Final = 0.05
"""Seconds that an execution has to end by itself after the server said that its claim is over."""


class Watcher:
    """Watches the slots of a worker. `tasks` should answer or fail fast."""

    def __init__(
        self, slots: Sequence[Slot], tasks: Tasks, leases: Leases, calls: UserCalls
    ) -> None:
        self._slots = slots
        self._tasks = tasks
        self._leases = leases
        self._calls = calls
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)
        self._log = get_logger()

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        self._thread.join(PERIOD_SECONDS)

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        while not self._closed.wait(PERIOD_SECONDS):
            try:
                self._look()
            except Exception:  # noqa: BLE001 - the next look may do better
                self._log.exception("claims not watched")

    def _look(self) -> None:
        self._calls.end_overdue()
        running = [(slot, claim) for slot in self._slots if (claim := slot.claim) is not None]
        lost = [(slot, claim) for slot, claim in running if claim.lost is not None]
        for slot, claim in lost:
            slot.give_up(claim)
        over = self._no_longer_held([pair for pair in running if pair not in lost])
        if over:
            self._closed.wait(ENDING_SECONDS)
        for slot, claim in over:
            slot.give_up(claim)
        self._calls.leave_calls_of_lost_claims()

    def _no_longer_held(self, running: list[tuple[Slot, Claim]]) -> list[tuple[Slot, Claim]]:
        over = []
        doubtful = [(slot, claim) for slot, claim in running if self._is_doubtful(claim)]
        doubtful.sort(key=lambda pair: _proven_at(pair[1]))
        for slot, claim in doubtful[:MOST_ASKED]:
            asked_at = time.monotonic()
            try:
                held = self._tasks.holds(claim.execution, claim.fence)
            except (Refused, Unanswered) as error:
                self._log.debug("claims not checked", reason=str(error))
                break
            if held:
                claim.written_at = max(claim.written_at, asked_at)
            else:
                over.append((slot, claim))
        return over

    def _is_doubtful(self, claim: Claim) -> bool:
        if claim.finished:
            return False
        past_deadline = time.time() * 1000 > claim.deadline
        if past_deadline or not self._leases.valid(claim):
            return True
        return time.monotonic() - _proven_at(claim) > PROOF_SECONDS


def _proven_at(claim: Claim) -> float:
    """Return when the server said last that a claim is ours, by the monotonic clock."""
    return max(claim.taken_at, claim.written_at)
