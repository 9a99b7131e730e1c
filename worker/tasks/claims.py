"""A claim: this worker's right to run one execution, from the moment it asks the server for it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.tasks.suspects import Starts, Turn


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

    history_read: bool = False
    """Whether `attempt` and `recovered_from` were read from the store."""

    earlier_starts: dict[str, Starts] = field(default_factory=dict)
    """Starts of the steps that earlier claims have begun and not ended, by the step's id."""

    started: dict[str, int] = field(default_factory=dict)
    """The steps that were started here and have not ended: which start it is, by the step's id."""

    turn: Turn | None = None
    """The turn in which the function's body runs until it reaches a step, if it is a suspect."""

    progress: str | None = None
    """The function's latest report."""

    trace_id: str | None = None
    """The trace in which the execution was begun."""

    close_body: Callable[[], None] = lambda: None
    """Closes the function's body; to be called when nothing runs it any more."""

    def end_turn(self) -> None:
        """Let the next suspect run, if the function's body was one."""
        if self.turn is not None:
            self.turn.release()
            self.turn = None

    @property
    def key(self) -> str:
        return f"{self.task}/{self.counter}"

    @property
    def log_fields(self) -> dict[str, str]:
        """Fields of every log line about the execution."""
        trace = {} if self.trace_id is None else {"trace_id": self.trace_id}
        return {"id": self.execution, **trace}

    @property
    def fence(self) -> dict[str, str]:
        """Headers with which the server refuses a write unless this claim holds the execution."""
        return {"task-id": self.task, "task-counter": str(self.counter)}
