"""Leases whose server's answers a test scripts."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from shared.resonate.tasks import Tasks
from shared.resonate.transport import Refused, Transport, Unanswered
from shared.settings import ServerSettings
from worker.tasks.board import Board
from worker.tasks.claims import Claim
from worker.tasks.leases import Leases
from worker.tasks.renewer import Renewals

if TYPE_CHECKING:
    from collections.abc import Iterator

REFUSED = Refused(403, 40305, "no")
UNANSWERED = Unanswered("nobody there")


class ScriptedTasks(Tasks):
    """Records its calls; raises its errors first and then succeeds."""

    def __init__(self, *errors: Exception) -> None:
        super().__init__(Transport(ServerSettings(), attempt=1, budget=1))
        self.errors = list(errors)
        self.drop_errors: list[Exception] = []
        self.lasting: Exception | None = None
        self.renewals: list[str] = []
        self.drops: list[tuple[str, int, float | None]] = []
        self.dropped_at: list[float] = []

    def heartbeat(self, pid: str) -> int:
        self.renewals.append(pid)
        self._answer()
        return 1

    def drop(self, id: str, counter: int, *, budget: float | None = None) -> None:
        self.drops.append((id, counter, budget))
        self.dropped_at.append(time.monotonic())
        if self.drop_errors:
            raise self.drop_errors.pop(0)

    def _answer(self) -> None:
        if self.errors:
            raise self.errors.pop(0)
        if self.lasting is not None:
            raise self.lasting


class ToldClaims:
    """Records what gateways would be told of claims: in `held` those that are not over."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, int]] = []
        self.held: set[tuple[str, int]] = set()

    def claimed(self, claim: Claim) -> None:
        self.events.append(("claimed", claim.task, claim.counter))
        self.held.add((claim.task, claim.counter))

    def running(self, claim: Claim) -> None:
        self.events.append(("running", claim.task, claim.counter))

    def ended(self, claim: Claim) -> None:
        self.events.append(("ended", claim.task, claim.counter))
        self.held.discard((claim.task, claim.counter))


@contextmanager
def running(
    tasks: Tasks, seconds: float = 0.06, told: ToldClaims | None = None
) -> Iterator[tuple[Leases, Board]]:
    """Run leases of this many seconds, which are renewed three times in that time."""
    board = Board()
    leases = Leases(tasks, board, seconds, told)
    renewals = Renewals(tasks, "pid-1", board, seconds)
    closed = threading.Event()

    def renew() -> None:
        while not closed.wait(renewals.turn("S")):
            pass

    renewer = threading.Thread(target=renew)
    renewer.start()
    leases.start()
    try:
        yield leases, board
    finally:
        closed.set()
        leases.close()
        renewer.join(5)
        leases._thread.join(5)
        assert not leases.is_alive()


def claim(number: int = 1, *, age: float = 0.0) -> Claim:
    """Return a claim that was taken `age` seconds ago."""
    return Claim(f"__invoke:job-{number}", number, f"job-{number}", taken_at=time.monotonic() - age)
