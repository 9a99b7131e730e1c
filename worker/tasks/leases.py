"""Keeps what this worker holds, and gives back what it holds no longer.

The server renews every claim of a process with one call, so a claim that was given up here must be
dropped there as well: otherwise the renewals for the others would keep it for ever.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shared.log import get_logger
from shared.resonate.transport import Refused, Unanswered
from worker.errors import Fenced

if TYPE_CHECKING:
    from shared.catalog import Catalog
    from shared.resonate.tasks import Tasks
    from worker.tasks.claims import Claim

RENEWALS_PER_LEASE = 3
"""So that one lost renewal, and half of another, do not lose the lease."""

PROOF_SHARE = 0.5
"""For such a part of a lease a write shows that a claim stands: until it is renewed again."""

CLAIM_DEPENDENCY: Final = "claim"
"""Name of the SDK's dependency by which an execution gets its `ClaimHandle`."""


class Leases:
    """Safe to use from any thread. `tasks` should answer or fail well within `seconds`."""

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
        """Stop renewing. What is still held is lost when its lease ends."""
        self._closed.set()
        self._wake.set()

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def held(self) -> list[Claim]:
        with self._lock:
            return list(self._held.values())

    def hold(self, claim: Claim) -> None:
        """Call before the claim is asked for, so that one whose answer was lost is known."""
        with self._lock:
            self._held[claim.key] = claim

    def release(self, claim: Claim) -> None:
        """The server knows that the claim is over, or never granted it."""
        with self._lock:
            self._held.pop(claim.key, None)

    def give_back(self, claim: Claim, pause: float = 0.0) -> None:
        """Drop the claim at the server, after `pause` seconds, until the server has said so."""
        with self._lock:
            self._held.pop(claim.key, None)
            self._dropping[claim.key] = (time.monotonic() + pause, claim)
        self._wake.set()

    def valid(self, claim: Claim) -> bool:
        """Tell whether the server still keeps the claim for us, as far as can be known here.

        Renewals are for whatever claims a process has left, so after a gap, as when it was frozen,
        they say nothing of this one. A write that began since, and was taken, does.
        """
        return claim.lost is None and time.monotonic() < self._good_until(claim)

    def _good_until(self, claim: Claim) -> float:
        written = claim.written_at + self._seconds * PROOF_SHARE
        return max(claim.renewed_at + self._seconds, written)

    def overdue(self) -> float:
        """Return for how many seconds claims have been held without an acknowledged renewal."""
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
            if asked_at < self._good_until(claim):
                claim.renewed_at = max(claim.renewed_at, asked_at)


@dataclass(frozen=True)
class ClaimHandle:
    """One execution's claim, as its wrapper sees it, and the worker and group that it runs in."""

    claim: Claim
    leases: Leases
    worker: str
    group: str
    catalog: Catalog

    def check(self) -> None:
        """Raise `Fenced` unless the claim still stands; call it before anything is started."""
        if not self.leases.valid(self.claim):
            self.claim.lost = self.claim.lost or "the lease ran out"
            raise Fenced(self.claim.execution)
