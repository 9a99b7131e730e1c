"""The claims that this worker holds, whether they still hold, and those that it hands back.

The worker's renewer renews all claims of a process with one call. So a claim that this worker hands
back must be dropped at the server as well, or the renewals for its other claims would keep it for
ever.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final, Protocol

from shared.log import get_logger
from shared.resonate.transport import Refused, Unanswered
from worker.tasks.board import RENEWALS_PER_LEASE
from worker.tasks.pauses import LONGEST_PAUSE, GrowingPauses

if TYPE_CHECKING:
    from shared.resonate.tasks import Tasks
    from worker.tasks.board import Board
    from worker.tasks.claims import Claim

BLOCKED_PAUSE: Final = 5.0
"""Seconds for which a blocked execution stays with a worker that has few of them."""

BLOCKED_PER_SECOND: Final = 5.0
"""Blocked executions that a worker hands back per second, unless it has so many that one would stay
for longer than `LONGEST_PAUSE`."""

PROOF_SHARE: Final = 0.5
"""Share of a lease for which an accepted write proves that the claim is still ours."""


class ClaimListener(Protocol):
    """Is told of claims: before the server is asked for one, and once it does not run here."""

    def claimed(self, claim: Claim) -> None: ...

    def running(self, claim: Claim) -> None: ...

    def ended(self, claim: Claim) -> None: ...


class Leases:
    """Holds this worker's claims, each with a lease of `seconds`.

    On the `board` the renewer shows what was renewed. Safe to use from any thread. `tasks` should
    answer or fail well within a lease.
    """

    def __init__(
        self, tasks: Tasks, board: Board, seconds: float, presence: ClaimListener | None = None
    ) -> None:
        self._tasks = tasks
        self._presence = presence
        self._board = board
        self._seconds = seconds
        self._lock = threading.Lock()
        self._held: dict[str, Claim] = {}
        self._dropping: dict[str, tuple[float, Claim]] = {}
        self._pauses = GrowingPauses()
        self._failures = board.failures
        self._closed = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="leases", daemon=True)
        self._log = get_logger()

    @property
    def milliseconds(self) -> int:
        return int(self._seconds * 1000)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Drop nothing more. Claims that are still held are lost when their leases end."""
        self._closed.set()
        self._wake.set()

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def held(self) -> list[Claim]:
        with self._lock:
            return list(self._held.values())

    def hold(self, claim: Claim) -> None:
        """Record a claim before the server is asked for it, in case the answer is lost."""
        if self._presence is not None:
            claim.tell = self._presence.running
            self._presence.claimed(claim)
        with self._lock:
            self._held[claim.key] = claim
            self._board.held = len(self._held) + len(self._dropping)

    def release(self, claim: Claim) -> None:
        """Forget a claim that the server knows to be over, or never granted."""
        with self._lock:
            self._forget(claim)

    def hand_back(self, claim: Claim, pause: float = 0.0) -> None:
        """Drop the claim at the server after `pause` seconds; retry until the server answers."""
        with self._lock:
            self._dropping[claim.key] = (time.monotonic() + pause, claim)
            self._forget(claim)
        self._wake.set()

    def hand_back_failed(self, claim: Claim) -> None:
        """Hand a claim back that went wrong here; do it later each time for the same execution."""
        self.hand_back(claim, self._pauses.next(claim.execution))

    def hand_back_blocked(self, claim: Claim) -> None:
        """Hand back a claim whose execution only another worker can go on with.

        The server chooses one of all workers, so each tries soon again, and later if it has many.
        """
        pause = min(self._pauses.next(claim.execution), BLOCKED_PAUSE)
        with self._lock:
            many = min(len(self._dropping) / BLOCKED_PER_SECOND, LONGEST_PAUSE)
        self.hand_back(claim, max(pause, many))

    def _forget(self, claim: Claim) -> None:
        if self._held.pop(claim.key, None) is not None and self._presence is not None:
            self._presence.ended(claim)
        # What waits to be dropped is renewed, or it would be offered again before its time.
        self._board.held = len(self._held) + len(self._dropping)

    def valid(self, claim: Claim) -> bool:
        """Return whether the server still keeps the claim for us, as far as can be known here.

        A renewal is for all claims that a process still has, so after a gap it does not prove that
        this claim is among them; an accepted write does. With a lease of 2 s:
        1. Renewed at 10.0 s: the claim is valid until 12.0 s.
        2. The process is frozen until 15.0 s, then its claims are renewed: the claim stays invalid.
        3. A write that began at 15.1 s is accepted: the claim is valid until 16.1 s, and renewals
           count for it again.
        """
        return claim.lost is None and not self.has_lapsed(claim)

    def has_lapsed(self, claim: Claim) -> bool:
        """Return whether the claim's lease has ended, as far as can be known here."""
        return time.monotonic() >= self._valid_until(claim)

    def _valid_until(self, claim: Claim) -> float:
        taken = claim.taken_at + self._seconds
        proven = max(taken, claim.written_at + self._seconds * PROOF_SHARE)
        renewed = self._board.renewed_at + self._seconds
        # A renewal came before the proof had ended, and none was late since then.
        return max(proven, renewed) if self._board.unbroken_since < proven else proven

    def overdue(self) -> float:
        """Return the seconds for which claims are held without an acknowledged renewal."""
        with self._lock:
            if not self._held:
                return 0.0
            oldest = min(claim.taken_at for claim in self._held.values())
        return time.monotonic() - max(self._board.renewed_at, oldest)

    def _run(self) -> None:
        while not self._closed.is_set():
            self._wake.wait(self._seconds / RENEWALS_PER_LEASE)
            self._wake.clear()
            self._board.beat()
            self._log_failures()
            self._drop_due()

    def _log_failures(self) -> None:
        failures = self._board.failures
        if failures != self._failures:
            self._failures = failures
            self._log.warning("leases not renewed", reason=self._board.reason)

    def _drop_due(self) -> None:
        with self._lock:
            now = time.monotonic()
            due = [claim for at, claim in self._dropping.values() if at <= now]
        for claim in due:
            try:
                self._tasks.drop(claim.task, claim.counter, budget=0)
            except Refused:
                self._log.debug("claim was over", **claim.log_fields)
            except Unanswered:
                return
            with self._lock:
                self._dropping.pop(claim.key, None)
                self._forget(claim)
