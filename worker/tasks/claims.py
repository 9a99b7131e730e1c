"""A claim: this worker's right to run one execution, from the moment it asks the server for it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from shared.resonate.causes import NO_CAUSE
from shared.resonate.transport import FENCED
from shared.telemetry.spans import NO_RUN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from resonate.models.durable_promise import DurablePromise

    from shared.resonate.causes import Cause
    from shared.resonate.codec import Call
    from shared.telemetry.spans import Run
    from worker.tasks.suspects import Starts, Turn


LEASE_RAN_OUT: Final = "the lease ran out"
OVER: Final = "canceled, timed out, or taken over by another worker"
UNANSWERED: Final = "the server did not answer"
"""Reasons why claims are lost; the last one is followed by what happened instead."""


def kind_of_loss(reason: str) -> str:
    """Return why a claim was lost, as one of a few words."""
    if reason == LEASE_RAN_OUT:
        return "lease"
    if reason == OVER or reason.startswith(f"{FENCED // 100}/"):
        return "over"
    return "unanswered" if reason.startswith(UNANSWERED) else "other"


@dataclass(frozen=True)
class Blocked:
    """What the stored history of an execution has, and what the code asks for instead."""

    expected: str
    found: str

    def __str__(self) -> str:
        return f"blocked: expected {self.expected}, found {self.found}"


@dataclass(eq=False)
class Claim:
    """One claim of a task, and what is known about its execution. Times are monotonic."""

    task: str
    counter: int
    """With `task` the claim's name at the server; no two claims share both."""

    execution: str
    deadline: int = 0
    """Milliseconds since the epoch when the execution's time ends; set with the grant."""

    taken_at: float = field(default_factory=time.monotonic)
    written_at: float = float("-inf")
    """Start of the latest write that the server accepted for the claim."""

    lost: str | None = None
    """The reason why nothing more may be written for the claim."""

    finished: bool = False
    """Whether the execution's end is stored."""

    attempt: int = 1
    recovered_from: str | None = None
    """Name of the worker that held the execution before, if this claim or an earlier one recovered
    it."""

    call: Call | None = None
    """What is to be run; set with the grant."""

    version: int = 0
    """The version of the execution's function."""

    position: int = 0
    """The number of the latest part that the function has asked for."""

    stored_position: int = 0
    """The number of the latest part that earlier claims have stored, once the history is read."""

    begun_here: bool = False
    """Whether this claim has stored the first part, so that there is no history."""

    blocked: Blocked | None = None
    """Why this worker cannot go on with the execution, which is well."""

    blocked_record: str | None = None
    """The id of the record that says that the execution is blocked, until it goes on."""

    history_read: bool = False
    """Whether `attempt`, `recovered_from`, `stored_position` and `blocked_record` were read from
    the store."""

    earlier_starts: dict[str, Starts] = field(default_factory=dict)
    """Starts of the steps that earlier claims have begun and not ended, by the step's id."""

    body_recorded: bool = False
    """Whether the begin of the function's body is recorded."""

    started: dict[str, int] = field(default_factory=dict)
    """The steps that were started here and have not ended: which start it is, by the step's id."""

    turn: Turn | None = None
    """The turn in which the function's body runs until it reaches a step, if it is a suspect."""

    created_at: int = 0
    """Milliseconds since the epoch when the execution was begun; set with the grant."""

    parts: dict[str, DurablePromise] = field(default_factory=dict)
    """What is stored of the execution, as far as this claim has read or written it, by id."""

    ran: Mapping[str, str] | None = None
    """What is to be stored of the run of a plain function with its end, if nothing else is."""

    progress: str | None = None
    """The function's latest report."""

    cause: Cause = NO_CAUSE
    """The request that began the execution, and the span to which its children belong."""

    run: Run = NO_RUN
    """The span of what runs under the claim."""

    former: str | None = None
    """The key of the claim that has stored something of the execution last; set with
    `history_read`."""

    failure: str | None = None
    """The type of the failure with which the execution has ended."""

    step: str | None = None
    """The step that was started last, if that took longer than a moment, until it has ended."""

    is_retried: bool = False
    """Whether that step has failed and is tried again."""

    tell: Callable[[Claim], None] = lambda _: None
    """Tells gateways what runs now."""

    close_body: Callable[[], None] = lambda: None
    """Closes the function's body; to be called when nothing runs it any more."""

    def runs(self, step: str | None, *, is_retried: bool = False) -> None:
        """Note which step runs now, and tell gateways."""
        self.step, self.is_retried = step, is_retried
        self.tell(self)

    def end_turn(self) -> None:
        """Let the next suspect run, if the function's body was one."""
        if self.turn is not None:
            self.turn.release()
            self.turn = None

    def forget_values(self) -> None:
        """Free the input and all results, once nothing runs for the claim any more.

        The claim refers to itself by its body, so it waits for the garbage collector, which comes
        late where large values are few objects.
        """
        self.call = None
        self.parts = {}

    @property
    def may_have_history(self) -> bool:
        """Whether an earlier claim may have run the execution."""
        return self.counter > 1 or self.task.startswith("__resume:")

    @property
    def is_child(self) -> bool:
        """Whether another execution has begun this one."""
        return "." in self.execution

    @property
    def key(self) -> str:
        return f"{self.task}/{self.counter}"

    @property
    def log_fields(self) -> dict[str, str]:
        """Fields of every log line about the execution."""
        return {"execution": self.execution, **self.cause.log_fields}

    @property
    def fence(self) -> dict[str, str]:
        """Headers with which the server refuses a write unless this claim holds the execution."""
        return {"task-id": self.task, "task-counter": str(self.counter)}
