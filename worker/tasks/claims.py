"""A claim: this worker's right to run one execution, from the moment it asks the server for it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


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
    renewed_at: float = field(init=False)
    """Time when the claim was taken, or was last renewed without a gap since then."""

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

    progress: str | None = None
    """The function's latest report."""

    trace_id: str | None = None
    """The trace in which the execution was begun."""

    def __post_init__(self) -> None:
        self.renewed_at = self.taken_at

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
