"""The calls of user code in this process, and the threads that such calls keep for ever.

Python cannot end a thread. A call is *left behind* when its execution goes on without it: its
attempt has exceeded its time limit, or its claim is over. Its thread is counted and named in the
log; its outcome is thrown away.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from shared.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.tasks.claims import Claim

GRACE_SECONDS: Final = 1.0
"""Seconds that a call has to end by itself, once its claim is over, before its thread counts as
left behind."""

LEFT_BEHIND: Final = "left-behind"
"""Name of a thread that is left behind in user code."""


class Job(Protocol):
    """What a thread of the SDK works on."""

    def take(self) -> bool:
        """Take the right to end the job; False if somebody else has it."""

    def fail(self, error: BaseException) -> None:
        """End a job that was taken, with an error, in its thread's place."""


@dataclass(eq=False)
class UserCall:
    """One call of a step's function, or of a body up to its next `yield`."""

    claim: Claim
    step: str | None
    limit: float | None = None
    """Seconds after which the watcher ends `job` with `overdue()` in the thread's place."""

    overdue: Callable[[], BaseException] = TimeoutError
    thread: threading.Thread = field(default_factory=threading.current_thread)
    since: float = field(default_factory=time.monotonic)
    job: Job | None = field(
        default_factory=lambda: getattr(threading.current_thread(), "job", None)
    )
    """The job of the SDK's thread that makes this call."""

    claim_over_at: float | None = None
    """Time when the claim was first seen to be over."""

    left: str | None = None
    """The reason why the execution goes on without this call."""

    @property
    def seconds(self) -> float:
        return round(time.monotonic() - self.since, 3)

    @property
    def job_failed(self) -> bool:
        """Whether the job was ended in this thread's place because of the limit."""
        return self.left is not None and self.limit is not None

    @property
    def is_over(self) -> bool:
        """Whether nothing waits for the outcome of this call any more."""
        return self.left is not None or self.claim.lost is not None


class UserCalls:
    """All calls of user code that run in a worker. Safe to use from any thread."""

    def __init__(self, default_limit: float = 0.0) -> None:
        self.default_limit = default_limit or None
        self._lock = threading.Lock()
        self._running: set[UserCall] = set()
        self._log = get_logger()

    def begin(self, call: UserCall) -> UserCall:
        with self._lock:
            self._running.add(call)
        return call

    def end(self, call: UserCall) -> None:
        with self._lock:
            self._running.discard(call)
            left = call.left
        if left is not None:
            self._log.info("thread left behind has ended", **_log_fields(call))

    def leave(self, call: UserCall, reason: str, *, job: Job | None = None) -> bool:
        """Count the call as left behind, and take the job.

        Returns False if the call has ended or is counted already, or the job is taken.
        """
        with self._lock:
            if call not in self._running or call.left is not None:
                return False
            if job is not None and not job.take():
                return False
            call.left = reason
            call.thread.name = LEFT_BEHIND
            count = self._count()
        self._log.warning("thread left behind", **_log_fields(call), reason=reason, threads=count)
        return True

    def end_overdue(self) -> None:
        """End the jobs whose calls have exceeded their limits."""
        for call in self._all():
            limit, job = call.limit, call.job
            if limit is None or job is None or call.is_over or call.seconds <= limit:
                continue
            if self.leave(call, f"not done within {limit:g} s", job=job):
                job.fail(call.overdue())

    def leave_calls_of_lost_claims(self) -> None:
        """Count the calls that still run although their claims are over."""
        now = time.monotonic()
        for call in self._all():
            reason = call.claim.lost
            if reason is None:
                continue
            call.claim_over_at = call.claim_over_at or now
            if now - call.claim_over_at > GRACE_SECONDS:
                self.leave(call, reason)

    def left_behind(self) -> int:
        """Return the number of threads that are left behind now."""
        with self._lock:
            return self._count()

    def _all(self) -> list[UserCall]:
        with self._lock:
            return list(self._running)

    def _count(self) -> int:
        return sum(call.left is not None for call in self._running)


def _log_fields(call: UserCall) -> dict[str, object]:
    step = {"step": call.step} if call.step is not None else {}  # else it is the function's body
    return {**call.claim.log_fields, **step, "seconds": call.seconds}
