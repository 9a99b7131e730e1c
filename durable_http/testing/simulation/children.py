"""Begins the children of one execution, and gives their parts what becomes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import orjson

from durable_http.commands import Omitted
from durable_http.context import input_of
from durable_http.results import result_json
from durable_http.testing.errors import Unfinished
from durable_http.testing.simulation.simulation import FAILURES
from durable_http.testing.simulation.store import LATE, Execution, Failure, describe
from durable_http.types import JsonType
from durable_http.values import json_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from durable_http.commands import BeginChild
    from durable_http.declarations.definition import Definition
    from durable_http.testing.simulation.simulation import Simulation
    from durable_http.testing.simulation.store import Part, Status
    from durable_http.testing.simulation.world import Waiting


class Running(Protocol):
    """An execution that runs."""

    def end_early(self, status: Status) -> None:
        """End it before it has an outcome."""


class Children:
    """The children of one execution. `run` runs one."""

    def __init__(
        self,
        simulation: Simulation,
        execution: Execution,
        parent: Definition,
        run: Callable[[Execution, Definition], Running],
    ) -> None:
        self._simulation = simulation
        self._execution = execution
        self._parent = parent
        self._run = run
        self._running: list[Running] = []

    def cancel(self) -> None:
        """Cancel those that have not ended."""
        for child in self._running:
            child.end_early("canceled")

    def begin(self, part: Part, command: BeginChild) -> None:
        """Start the child of a part, unless a test replaces it."""
        simulation, now = self._simulation, self._simulation.world.now
        if simulation.fakes.replaces_child(command.function):
            simulation.world.at(now, lambda: self._end_replaced(part, command))
            return
        version = None if part.child is None else part.child.version
        definition = simulation.fakes.child(command.function, version, self._parent)
        if part.child is None:
            part.child = Execution(
                f"{self._execution.id}.{part.number}",
                definition.name,
                definition.version,
                json_of(input_of(command, definition), simulation.max_result_bytes),
                now,
                self._deadline_of(command, definition),
                definition.result,
            )
        self._running.append(self._run(part.child, definition))
        simulation.world.spawn(_outcome_of(part, part.child))

    def _deadline_of(self, command: BeginChild, definition: Definition) -> float | None:
        seconds = definition.timeout if command.timeout is None else command.timeout
        own = None if seconds is None else self._simulation.world.now + seconds
        return min(
            (each for each in (own, self._execution.deadline) if each is not None), default=None
        )

    def _end_replaced(self, part: Part, command: BeginChild) -> None:
        given = None if command.input is Omitted.INPUT else command.input
        input = orjson.loads(json_of(given, self._simulation.max_result_bytes))
        try:
            result = self._simulation.fakes.call_child(command.function, input)
            limit = self._simulation.max_result_bytes
            part.resolve(result_json(result, JsonType(command.result), limit))
        except FAILURES as error:
            part.reject(describe(error))


def _outcome_of(part: Part, child: Execution) -> Waiting[None]:
    """Give a part the outcome of its child, once the child has one."""
    yield child.over
    match child.status:
        case "resolved":
            part.resolve(child.text)
        case "timed out":
            part.reject(LATE)
        case "canceled":
            part.reject(Failure("Canceled", "the child was canceled"))
        case _:
            part.reject(describe(child.error or Unfinished(child.id)))
