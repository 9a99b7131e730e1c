"""Renews the claims that this worker holds, and drops those that it hands back.

The server renews all claims of a process with one call. So a claim that this worker hands back must
be dropped at the server as well, or the renewals for its other claims would keep it for ever.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shared.log import get_logger
from shared.resonate.transport import Refused, Unanswered
from shared.settings import MAX_RESULT_BYTES
from worker.errors import Fenced

if TYPE_CHECKING:
    from shared.catalog import Catalog
    from shared.resonate.tasks import Tasks
    from worker.tasks.claims import Claim

RENEWALS_PER_LEASE: Final = 3
"""Renewals in the time of one lease: enough for one to be lost and the next to be late."""

PROOF_SHARE: Final = 0.5
"""Share of a lease for which an accepted write proves that the claim is still ours."""

CLAIM_DEPENDENCY: Final = "claim"
"""Name of the SDK dependency under which an execution finds its `ClaimHandle`."""


class Leases:
    """Holds and renews this worker's claims, each with a lease of `seconds`.

    Safe to use from any thread. `tasks` should answer or fail well within a lease.
    """

    def __init__(self, tasks: Tasks, pid: str, seconds: float) -> None:
        self._tasks = tasks
        self._pid = pid
        self._seconds = seconds
        self._lock = threading.Lock()
        self._held: dict[str, Claim] = {}
        self._dropping: dict[str, tuple[float, Claim]] = {}
        self._renewed_at = time.monotonic()
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
        """Stop renewing. Claims that are still held are lost when their leases end."""
        self._closed.set()
        self._wake.set()

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def held(self) -> list[Claim]:
        with self._lock:
            return list(self._held.values())

    def hold(self, claim: Claim) -> None:
        """Record a claim before the server is asked for it, in case the answer is lost."""
        with self._lock:
            self._held[claim.key] = claim

    def release(self, claim: Claim) -> None:
        """Forget a claim that the server knows to be over, or never granted."""
        with self._lock:
            self._held.pop(claim.key, None)

    def hand_back(self, claim: Claim, pause: float = 0.0) -> None:
        """Drop the claim at the server after `pause` seconds; retry until the server answers."""
        with self._lock:
            self._held.pop(claim.key, None)
            self._dropping[claim.key] = (time.monotonic() + pause, claim)
        self._wake.set()

    def valid(self, claim: Claim) -> bool:
        """Return whether the server still keeps the claim for us, as far as can be known here.

        A renewal is for all claims that a process still has, so after a gap it does not prove that
        this claim is among them; an accepted write does. With a lease of 2 s:
        1. Renewed at 10.0 s: the claim is valid until 12.0 s.
        2. The process is frozen until 15.0 s, then renews: the claim stays invalid.
        3. A write that began at 15.1 s is accepted: the claim is valid until 16.1 s, and renewals
           count for it again.
        """
        return claim.lost is None and time.monotonic() < self._valid_until(claim)

    def _valid_until(self, claim: Claim) -> float:
        written = claim.written_at + self._seconds * PROOF_SHARE
        return max(claim.renewed_at + self._seconds, written)

    def overdue(self) -> float:
        """Return the seconds for which claims are held without an acknowledged renewal."""
        with self._lock:
            if not self._held:
                return 0.0
            oldest = min(claim.taken_at for claim in self._held.values())
        return time.monotonic() - max(self._renewed_at, oldest)

    def _run(self) -> None:
        while not self._closed.is_set():
            self._wake.wait(self._seconds / RENEWALS_PER_LEASE)
            self._wake.clear()
            self._drop_due()
            self._renew()

    def _drop_due(self) -> None:
        with self._lock:
            now = time.monotonic()
            due = [claim for at, claim in self._dropping.values() if at <= now]
        for claim in due:
            try:
                self._tasks.drop(claim.task, claim.counter, budget=0)
            except Refused:
                self._log.debug("claim was over", task=claim.task, counter=claim.counter)
            except Unanswered:
                return
            with self._lock:
                self._dropping.pop(claim.key, None)

    def _renew(self) -> None:
        held = self.held()
        asked_at = time.monotonic()
        if not held:
            self._renewed_at = asked_at
            return
        try:
            self._tasks.heartbeat(self._pid)
        except (Refused, Unanswered) as error:
            self._log.warning("leases not renewed", reason=str(error))
            return
        self._renewed_at = asked_at
        for claim in held:
            if asked_at < self._valid_until(claim):
                claim.renewed_at = max(claim.renewed_at, asked_at)


@dataclass(frozen=True)
class ClaimHandle:
    """One execution's claim, and what its function needs to know of the worker that runs it."""

    claim: Claim
    leases: Leases
    worker: str
    group: str
    catalog: Catalog
    max_result_bytes: int = MAX_RESULT_BYTES

    def check(self) -> None:
        """Raise `Fenced` unless the claim is valid; call it before anything is started."""
        if not self.leases.valid(self.claim):
            self.claim.lost = self.claim.lost or "the lease ran out"
            raise Fenced(self.claim.execution)
