"""A claim: this worker's hold on one execution, from the moment it asks for it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass(eq=False)
class Claim:
    """`task` and `counter` name the claim to the server; no two claims share both.

    `deadline` is the execution's, in milliseconds since the epoch; it is known once the claim is
    granted. `renewed_at` is when it was taken, or since then renewed without a gap; `written_at` is
    when the last write began that the server took for it. `lost` says why nothing may be written
    for it any more. `finished` means that the execution has its result. `attempt` and
    `recovered_from` are what the store shows of earlier claims, `progress` is what the function
    reported last. `trace_id` is the trace that the execution was begun in.
    """

    task: str
    counter: int
    execution: str
    deadline: int = 0
    taken_at: float = field(default_factory=time.monotonic)
    renewed_at: float = field(init=False)
    written_at: float = float("-inf")
    lost: str | None = None
    finished: bool = False
    attempt: int = 1
    recovered_from: str | None = None
    history_read: bool = False
    progress: str | None = None
    trace_id: str | None = None

    def __post_init__(self) -> None:
        self.renewed_at = self.taken_at

    @property
    def key(self) -> str:
        return f"{self.task}/{self.counter}"

    @property
    def named(self) -> dict[str, str]:
        """What every line of the log about the execution carries."""
        trace = {} if self.trace_id is None else {"trace_id": self.trace_id}
        return {"id": self.execution, **trace}

    @property
    def fence(self) -> dict[str, str]:
        """Headers with which the server refuses a write unless this claim holds the execution."""
        return {"task-id": self.task, "task-counter": str(self.counter)}
