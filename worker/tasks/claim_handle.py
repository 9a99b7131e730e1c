"""What a durable function's run knows of its claim and of the worker that runs it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NoReturn, Protocol

from shared.settings import MAX_RESULT_BYTES
from shared.telemetry.spans import LostStep
from worker.errors import Fenced, Rejection
from worker.metrics.counts import WorkerMetrics
from worker.tasks.claims import LEASE_RAN_OUT
from worker.tasks.suspects import Suspects
from worker.user_calls import UserCalls

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from resonate.models.durable_promise import DurablePromise

    from durable_http.declarations.definition import Definition
    from shared.resonate.codec import Failure
    from worker.tasks.claims import Claim
    from worker.tasks.leases import Leases
    from worker.tasks.suspects import Starts

CLAIM_DEPENDENCY: Final = "claim"
"""Name of the SDK dependency under which an execution finds its `ClaimHandle`."""


class StartRecords(Protocol):
    """Stores records of a claim, for the worker that recovers the execution."""

    def start(self, step: str, number: int) -> bool:
        """Record a start of a step before it runs; return whether the claim still holds."""
        ...

    def reached(self) -> None:
        """Record that a body has reached a step that waits for its turn."""


class FailedTryRecords(Protocol):
    """Stores records of failed tries, for the clients that ask for the execution."""

    def store(self, step: str, failure: Failure, pause: float) -> None:
        """Store that a try has failed and the next one begins after `pause` seconds.

        Without an answer of the server it returns after one attempt. A claim that is over is marked
        as lost.
        """


class StepRecord(Protocol):
    """What is stored of one step. Its methods raise `Fenced` if the claim is lost."""

    def store_start(self) -> DurablePromise | None:
        """Store that the step has started, and return its promise; None if that is not needed."""
        ...

    def is_over_after(self, pause: float) -> bool:
        """Return whether the execution's time is over after this many seconds."""
        ...

    def end(self, outcome: str, data: str) -> None:
        """Store the step's outcome, `tag.RESOLVED` or `tag.REJECTED`, with its data, once."""


class StepRecords(Protocol):
    """What is stored of the steps of an execution."""

    def begin(self, id: str, name: str, *, whole: bool) -> tuple[StepRecord, DurablePromise | None]:
        """Return the record of a step that is about to start, and the promise that it has, if any.

        A `whole` step is all of its execution. Raises `Fenced`.
        """
        ...


class NoRecord:
    """The record of a step that is not stored."""

    def store_start(self) -> DurablePromise | None:
        """Store nothing."""

    def is_over_after(self, pause: float) -> bool:  # noqa: ARG002 - as `StepRecord`
        return False

    def end(self, outcome: str, data: str) -> None:
        """Store nothing."""


class NoRecords:
    """The steps of an execution that is not stored."""

    def begin(
        self,
        id: str,  # noqa: ARG002 - as `StepRecords`
        name: str,  # noqa: ARG002
        *,
        whole: bool,  # noqa: ARG002
    ) -> tuple[StepRecord, DurablePromise | None]:
        return NoRecord(), None


class PartHistory(Protocol):
    """What an execution has stored of its parts, by which a replay is checked.

    Each method raises `Fenced` if the claim is lost, or the execution is blocked.
    """

    def record(self, id: str, tags: Mapping[str, str]) -> None:
        """Store a part that has no outcome, unless it is stored."""

    def ended(self, id: str, tags: Mapping[str, str]) -> DurablePromise | None:
        """Return the part with this id if it has ended, which is asked for with these tags."""
        ...

    def takes_change(self, id: str, name: str) -> bool:
        """Return whether the part with this id is the record of the change, or not stored yet."""
        ...

    def step_again(self) -> None:
        """Note that a step runs again here, with which the execution goes on."""

    def check_end(self, position: int) -> None:
        """Block the execution if it has stored parts beyond this one, which is its last."""

    def block(self, expected: str, found: str) -> NoReturn:
        """Block the execution: the code asks for something else than what is stored."""

    def refuse(self, id: str, name: str, found: str) -> None:
        """Block the execution if the part with this id, which is refused here, is stored."""

    def block_if_begun(self, expected: str, found: str) -> None:
        """Block the execution unless only its parent's code can be to blame."""


class NoHistory:
    """The history of an execution that has stored nothing, and is not stored."""

    def record(self, id: str, tags: Mapping[str, str]) -> None:
        """Store nothing."""

    def ended(self, id: str, tags: Mapping[str, str]) -> DurablePromise | None:
        """Find nothing."""

    def takes_change(self, id: str, name: str) -> bool:  # noqa: ARG002 - as `PartHistory`
        return True

    def step_again(self) -> None:
        """Note nothing."""

    def check_end(self, position: int) -> None:
        """Find nothing beyond the end."""

    def block(self, expected: str, found: str) -> NoReturn:
        raise Fenced(f"expected {expected}, found {found}")

    def refuse(self, id: str, name: str, found: str) -> None:
        """Nothing is stored."""

    def block_if_begun(self, expected: str, found: str) -> None:
        """Nothing has begun."""


@dataclass(frozen=True)
class ClaimHandle:
    """One execution's claim, and what its function needs to know of the worker that runs it."""

    claim: Claim
    leases: Leases
    worker: str
    group: str
    suspects: Suspects = field(default_factory=Suspects)
    records: StartRecords | None = None
    max_recoveries: int = 5
    calls: UserCalls = field(default_factory=UserCalls)
    max_result_bytes: int = MAX_RESULT_BYTES
    failed_tries: FailedTryRecords | None = None
    functions: Mapping[str, Definition] = field(default_factory=dict)
    """The newest version of each function, which children are begun with."""

    history: PartHistory = field(default_factory=NoHistory)
    steps: StepRecords = field(default_factory=NoRecords)
    metrics: WorkerMetrics = field(default_factory=WorkerMetrics.off)

    def check(self) -> None:
        """Raise `Fenced` unless the claim is valid; call it before anything is started."""
        if not self.leases.valid(self.claim):
            self.claim.lost = self.claim.lost or LEASE_RAN_OUT
            raise Fenced(self.claim.execution)

    @contextmanager
    def start(self, step: str, name: str) -> Iterator[None]:
        """Run a step within this: it has its turn, and this start is recorded.

        Raises `Rejection` if the step was lost with its workers too often, and as `check` does.
        """
        earlier = self.claim.earlier_starts.get(step)
        turn = None
        if earlier is not None and len(earlier.lost) >= self.max_recoveries:
            self.suspects.found_out()
            raise Rejection(earlier.failure(f"the step {name}", name).encode())
        if earlier is not None and earlier.suspect:
            if self.records is not None:
                self.records.reached()
            turn = self.suspects.acquire(earlier, self.check)
        try:
            self._record(step, name, earlier)
            yield
        finally:
            if turn is not None:
                turn.release()

    def _record(self, step: str, name: str, earlier: Starts | None) -> None:
        """Record the start unless it is the first one, whose record is the step's promise."""
        if step in self.claim.started:
            return
        number = 1 if earlier is None else earlier.count + 1
        if number > 1 and self.records is not None and not self.records.start(step, number):
            raise Fenced(self.claim.execution)
        if number > 1:
            self.history.step_again()
            self.claim.started[step] = number
        # The worker that was lost has told of its first start at best.
        if earlier and earlier.lost and earlier.lost[-1] == self.claim.recovered_from:
            lost = LostStep(name, step, earlier.lost[-1], earlier.last)
            self.claim.run.lost(self.claim.former, self.claim.attempt - 1, lost)
