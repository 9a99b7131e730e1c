"""Runs the body of an execution: from its first line after each wait, as workers do."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson

from durable_http.commands import Command
from durable_http.context import Context
from durable_http.errors import NonRetryableError
from durable_http.results import result_json
from durable_http.testing.errors import NonDeterministic
from durable_http.testing.simulation.attempts import RecordedLog
from durable_http.testing.simulation.children import Children
from durable_http.testing.simulation.compare import shown
from durable_http.testing.simulation.parts import Parts, Suspended
from durable_http.testing.simulation.simulation import FAILURES, Crashed
from durable_http.testing.simulation.store import Execution, describe
from durable_http.testing.simulation.watch import Watch
from durable_http.types import InvalidValue, JsonType

if TYPE_CHECKING:
    from durable_http.context import Workflow
    from durable_http.declarations.definition import Definition
    from durable_http.testing.simulation.simulation import Simulation
    from durable_http.testing.simulation.store import Status
    from durable_http.testing.simulation.world import Task, Waiting


@dataclass(frozen=True)
class End:
    """How a body has ended: with a result as JSON, or an error."""

    text: str = "null"
    error: BaseException | None = None


class Ended(BaseException):
    """The execution is canceled, or its time is over."""


class InvalidInput(NonRetryableError):
    """The input is none that the function's annotation allows."""


class Runner:
    """Runs one execution in a simulation until it has ended."""

    def __init__(
        self,
        simulation: Simulation,
        execution: Execution,
        definition: Definition,
        stop_at: int | str | None = None,
    ) -> None:
        self._simulation = simulation
        self._execution = execution
        self._definition = definition
        self._children = Children(simulation, execution, definition, partial(Runner, simulation))
        self._parts = Parts(
            simulation,
            execution,
            self._children.begin,
            lambda: self._task.interrupt(Crashed()),
            stop_at,
        )
        self._watch = Watch(definition.function, simulation.allowed)
        self._task: Task = simulation.world.spawn(self._run())
        if execution.deadline is not None:
            simulation.world.at(execution.deadline, lambda: self.end_early("timed out"))

    def end_early(self, status: Status) -> None:
        """End the execution, and its children, before it has an outcome."""
        if self._execution.status != "pending":
            return
        self._execution.end(status, self._simulation.world.now)
        self._children.cancel()
        self._task.interrupt(Ended())

    def _run(self) -> Waiting[None]:
        while self._execution.status == "pending":
            try:
                end = yield from self._until_end()
                self._simulation.moment(f"right before the end of {self._execution.id} was stored")
                yield from self._run_again(end)
            except Ended:
                self._parts.drop_steps()
            except Crashed:
                self._parts.drop_steps()
            else:
                self._execution.text, self._execution.error = end.text, end.error
                status: Status = "resolved" if end.error is None else "rejected"
                self._execution.end(status, self._simulation.world.now)

    def _until_end(self) -> Waiting[End]:
        while True:
            try:
                return (yield from self._once())
            except Suspended as suspended:
                event = suspended.event
            yield from self._parts.steps_ended()
            yield event

    def _run_again(self, end: End) -> Waiting[None]:
        """Run the body once more, with all outcomes: it must do the same."""
        again = yield from self._once(complete=True)
        if _shown_end(end) != _shown_end(again):
            raise NonDeterministic(
                f"{self._execution.id} ended with {_shown_end(end)}, and when the function ran "
                f"again with {_shown_end(again)}"
            )

    def _once(self, *, complete: bool = False) -> Waiting[End]:
        """Run the body from its first line. Raises `Suspended` where it waits."""
        self._execution.runs += 1
        self._simulation.count_run(self._execution.id, self._execution.runs)
        self._parts.restart(complete=complete)
        try:
            body = self._body()
        except InvalidValue as error:
            return End(error=InvalidInput(str(error)))
        try:
            end = yield from self._drive(body)
            yield from self._parts.steps_ended()
            self._check_end(end)
            return end
        finally:
            self._close(body)

    def _body(self) -> Workflow[Any]:
        definition = self._definition
        context = Context(self._execution.id, definition.retry)
        value = definition.input.convert(orjson.loads(self._execution.input))
        inputs = (value,) if definition.takes_input else ()
        if definition.is_workflow:
            with self._watch.watching():
                body: Workflow[Any] = definition.function(context, *inputs)
            return body
        return _only_step(context, definition, inputs)

    def _drive(self, body: Workflow[Any]) -> Waiting[End]:
        send, value = body.send, None
        while True:
            try:
                with self._watch.watching():
                    command = send(value)
            except StopIteration as stop:
                self._check_calls()
                return self._end_with(stop.value)
            except FAILURES as error:
                self._check_calls()
                return End(error=error)
            self._check_calls()
            if not isinstance(command, Command):
                what = type(command).__name__
                send, value = body.throw, TypeError(f"yield what the context makes, not {what}")
                continue
            reply = yield from self._parts.outcome(command)
            send, value = body.send, reply.value
            if reply.error is not None:
                send, value = body.throw, reply.error

    def _check_end(self, end: End) -> None:
        try:
            self._parts.check_end()
        except NonDeterministic as error:
            raise error from end.error  # which may be why the body ended

    def _end_with(self, value: Any) -> End:
        try:
            result = JsonType(self._execution.result)
            return End(result_json(value, result, self._simulation.max_result_bytes))
        except NonRetryableError as error:
            return End(error=error)

    def _check_calls(self) -> None:
        found = self._watch.found()
        if found is not None:
            raise NonDeterministic(f"{self._execution.function} calls {found}; put it into a step")

    def _close(self, body: Workflow[Any]) -> None:
        try:
            with self._watch.watching():
                body.close()
        except FAILURES as error:  # nobody waits for what a `finally` raises
            RecordedLog(self._execution.log, None).warning("finally failed", error=shown(error))


def _only_step(context: Context, definition: Definition, inputs: tuple[Any, ...]) -> Workflow[Any]:
    return (yield context.step(definition.function, *inputs))


def _shown_end(end: End) -> str:
    if end.error is None:
        return shown(orjson.loads(end.text))
    failure = describe(end.error)
    return f"{failure.type}: {failure.message}"
