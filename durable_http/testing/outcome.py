"""What a test sees of an execution."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import orjson

from durable_http.commands import BeginStep, RunStep, Sleep
from durable_http.testing.errors import Unfinished
from durable_http.testing.simulation.histories import History, in_order, stored
from durable_http.testing.simulation.simulation import converted
from durable_http.types import InvalidValue, result_annotation

if TYPE_CHECKING:
    from durable_http.errors import StepFailed
    from durable_http.testing.simulation.store import Execution, LogLine, Part


@dataclass(frozen=True)
class StepOutcome:
    """A step of an execution.

    `result` is None and `error` set if it has failed; both are None while it has no outcome. A step
    that came from a history, and was not asked for again, has no `arguments`.
    """

    name: str
    number: int
    idempotency_key: str
    attempts: int
    arguments: tuple[Any, ...]
    result: Any
    error: StepFailed | None


@dataclass(frozen=True)
class Outcome:
    """An execution, or a child, when its run is over.

    `status` is `stopped` if the test has stopped it. `steps` and `children` are in the order in
    which they were begun. `log` is what its steps have logged, `progress` what it has reported.
    `clock` is the virtual time in seconds from its begin to its end, `slept` the sum of its sleeps.
    `runs` is how often its body has run from the first line. `history` is what is stored of it.
    """

    id: str
    function: str
    version: int
    status: Literal["resolved", "rejected", "canceled", "timed out", "stopped"]
    error: BaseException | None
    steps: tuple[StepOutcome, ...]
    children: tuple[Outcome, ...]
    progress: tuple[tuple[int, int], ...]
    log: tuple[LogLine, ...]
    clock: float
    slept: float
    runs: int
    history: History = field(repr=False)
    _text: str = field(repr=False)
    _annotation: Any = field(repr=False)

    @property
    def result(self) -> Any:
        """The result, as the annotation of the function says. Raises `error` if there is none."""
        if self.error is not None:
            raise self.error
        return converted(self._text, self._annotation)

    @property
    def json(self) -> Any:
        """The result as JSON, as clients get it. Raises `error` if there is none."""
        if self.error is not None:
            raise self.error
        return orjson.loads(self._text)

    def step(self, name: str) -> StepOutcome:
        """Return the only step of a name. Raises `LookupError` if there is none, or several."""
        found = [step for step in self.steps if step.name == name]
        if len(found) != 1:
            names = ", ".join(step.name for step in self.steps) or "none"
            raise LookupError(f"{len(found)} steps are called {name}; the steps are: {names}")
        return found[0]


def outcome_of(execution: Execution, now: float) -> Outcome:
    """Return the outcome of an execution at a virtual time."""
    parts = in_order(execution)
    steps = [_step(execution.id, part) for part in parts if part.name.startswith("step ")]
    children = [outcome_of(part.child, now) for part in parts if part.child is not None]
    slept = sum(part.command.seconds for part in parts if isinstance(part.command, Sleep))
    ended = now if execution.ended is None else execution.ended
    return Outcome(
        id=execution.id,
        function=execution.function,
        version=execution.version,
        status="stopped" if execution.status == "pending" else execution.status,
        error=_error(execution, parts),
        steps=tuple(steps),
        children=tuple(children),
        progress=tuple(execution.progress),
        log=tuple(execution.log),
        clock=ended - execution.began,
        slept=slept,
        runs=execution.runs,
        history=History(stored(execution), now),
        _text=execution.text,
        _annotation=execution.result,
    )


def _error(execution: Execution, parts: list[Part]) -> BaseException | None:
    match execution.status:
        case "resolved":
            return None
        case "rejected":
            return execution.error
        case "pending":
            at = f" at {parts[-1]}" if parts else ""
            return Unfinished(f"{execution.id} was stopped{at}")
        case "canceled":
            return Unfinished(f"{execution.id} was canceled")
        case "timed out":
            return Unfinished(f"the time of {execution.id} was over")


def _step(execution: str, part: Part) -> StepOutcome:
    command = part.command.step if isinstance(part.command, BeginStep) else part.command
    arguments, annotation = (), Any
    if isinstance(command, RunStep):
        arguments, annotation = command.arguments, result_annotation(command.function)
    return StepOutcome(
        name=part.name.removeprefix("step "),
        number=part.number,
        idempotency_key=f"{execution}.{part.number}",
        attempts=part.attempts,
        arguments=arguments,
        result=_result(part, annotation) if part.state == "resolved" else None,
        error=None if part.failure is None else part.failure.error(),
    )


def _result(part: Part, annotation: Any) -> Any:
    try:
        return converted(part.text, annotation)
    except InvalidValue:  # it is of an earlier version
        return orjson.loads(part.text)
