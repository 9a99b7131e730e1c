"""What the function of a step gets as its first argument."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class StepLog(Protocol):
    """The log of a step: each line has the execution's id and the step's name."""

    def debug(self, event: str, *args: Any, **fields: Any) -> Any:
        """Log an event with these fields."""

    def info(self, event: str, *args: Any, **fields: Any) -> Any:
        """Log an event with these fields."""

    def warning(self, event: str, *args: Any, **fields: Any) -> Any:
        """Log an event with these fields."""

    def error(self, event: str, *args: Any, **fields: Any) -> Any:
        """Log an event with these fields."""

    def bind(self, **fields: Any) -> StepLog:
        """Return a log that adds these fields to each line."""
        ...


@dataclass(frozen=True)
class Step:
    """One attempt of a step.

    `execution` is the id of its execution, `attempt` counts from 1.

    `idempotency_key` is the same whenever this step of this execution runs, and different for every
    other step. Pass it to the service that the step calls: then a repeated step has no second
    effect there.

    `canceled()` costs next to nothing and returns True once nobody waits for this attempt: the
    execution was canceled, its deadline has passed, the attempt's time is over, or another worker
    has taken the execution over. A long step asks it now and then, and stops by itself.
    """

    execution: str
    name: str
    idempotency_key: str
    attempt: int
    worker: str
    log: StepLog = field(repr=False, compare=False)
    canceled: Callable[[], bool] = field(default=lambda: False, repr=False, compare=False)


type StepFunction = Callable[..., Any]
"""A plain function whose first argument is a `Step`; it may run more than once."""
