"""Runs a step: its attempts, and what is stored of it."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final

from durable_http.copies import copied
from durable_http.results import result_json
from durable_http.step import Step
from durable_http.testing.simulation.simulation import FAILURES, Call
from durable_http.testing.simulation.store import LogLine, describe
from durable_http.types import JsonType, result_annotation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from durable_http.commands import RunStep
    from durable_http.testing.simulation.simulation import Simulation
    from durable_http.testing.simulation.store import Execution, Part
    from durable_http.testing.simulation.world import Waiting

WORKER: Final = "test"


class RecordedLog:
    """Keeps what a step logs; `bound` are fields of each line."""

    def __init__(
        self, lines: list[LogLine], step: str | None, bound: Mapping[str, Any] | None = None
    ) -> None:
        self._lines = lines
        self._step = step
        self._bound = dict(bound or {})

    def debug(self, event: str, *args: Any, **fields: Any) -> None:
        self._add("debug", event, args, fields)

    def info(self, event: str, *args: Any, **fields: Any) -> None:
        self._add("info", event, args, fields)

    def warning(self, event: str, *args: Any, **fields: Any) -> None:
        self._add("warning", event, args, fields)

    def error(self, event: str, *args: Any, **fields: Any) -> None:
        self._add("error", event, args, fields)

    def bind(self, **fields: Any) -> RecordedLog:
        """Return a log that adds these fields to each line."""
        return RecordedLog(self._lines, self._step, {**self._bound, **fields})

    def _add(self, level: str, event: str, args: tuple[Any, ...], fields: dict[str, Any]) -> None:
        text = event % args if args else event
        self._lines.append(LogLine(level, text, {**self._bound, **fields}, self._step))


def attempts(
    simulation: Simulation, execution: Execution, part: Part, command: RunStep
) -> Waiting[None]:
    """Run a step until it has an outcome, and store that."""
    fakes = simulation.fakes
    raised = fakes.failures_raised(command)
    part.attempts = 0
    try:
        while part.state == "pending":
            part.attempts += 1
            pause = _attempt(simulation, execution, part, command)
            if pause is not None:
                yield from simulation.world.pause(pause)
    except BaseException:
        fakes.raise_again(command, raised)  # the next worker begins with the first attempt
        raise
    simulation.moment(f"after the outcome of {part} of {execution.id} was stored")


def _attempt(
    simulation: Simulation, execution: Execution, part: Part, command: RunStep
) -> float | None:
    """Make one attempt. Returns the pause before the next one, None if this was the last."""
    key = f"{execution.id}.{part.number}"
    simulation.count_call(Call(key, command.name, command.arguments))
    log = RecordedLog(execution.log, command.name)
    step = Step(execution.id, command.name, key, part.attempts, WORKER, log)
    text, error = "", None
    try:
        text = _result(simulation, command, step)
    except FAILURES as raised:
        error = raised
    simulation.moment(f"while {part} of {execution.id} ran, attempt {part.attempts}")
    if error is None:
        part.resolve(text)
        return None
    retry = command.retry
    pause = retry.longest_pause(part.attempts) if retry.retries(error) else None  # without chance
    if pause is None:
        part.reject(describe(error, step=command.name, attempts=part.attempts))
    return pause


def _result(simulation: Simulation, command: RunStep, step: Step) -> str:
    """Call the step's function and return its result as JSON, which its annotation allows."""
    value = simulation.fakes.call_step(command, step, copied(command.arguments))
    if inspect.iscoroutine(value):
        value.close()  # else Python warns that nobody has awaited it
    result = JsonType(result_annotation(command.function))
    return result_json(value, result, simulation.max_result_bytes)
