"""Carries out the commands of one execution, with the parts that are stored of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from durable_http.commands import (
    NOT_BEGUN,
    Await,
    BeginChild,
    BeginStep,
    CallChild,
    Changed,
    ReportProgress,
    RunStep,
    Sleep,
    WaitForSignal,
)
from durable_http.errors import NonRetryableError
from durable_http.testing.errors import NonDeterministic
from durable_http.testing.simulation.attempts import attempts
from durable_http.testing.simulation.numbering import Numbering
from durable_http.testing.simulation.simulation import Crashed, converted
from durable_http.testing.simulation.store import LATE
from durable_http.testing.simulation.world import Event
from durable_http.types import InvalidValue, result_annotation

if TYPE_CHECKING:
    from collections.abc import Callable

    from durable_http.commands import Command
    from durable_http.testing.simulation.simulation import Simulation
    from durable_http.testing.simulation.store import Execution, Part
    from durable_http.testing.simulation.world import Task, Waiting


class Suspended(Exception):
    """The execution waits for an event, and no worker holds it."""

    def __init__(self, event: Event) -> None:
        super().__init__()
        self.event = event


@dataclass(frozen=True)
class Reply:
    """What the body is sent: a value, or an error that is raised at its `yield`."""

    value: Any = None
    error: Exception | None = None


class Parts:
    """The parts of one execution, in this run of its body and in those before.

    `begin_child` starts the child of a part. `crash` is called if the worker dies while a step runs
    beside the body. `stop_at` is the number or the name of the part at which the test stops.
    """

    def __init__(
        self,
        simulation: Simulation,
        execution: Execution,
        begin_child: Callable[[Part, BeginChild], None],
        crash: Callable[[], None],
        stop_at: int | str | None,
    ) -> None:
        self._simulation = simulation
        self._execution = execution
        self._begin_child = begin_child
        self._crash = crash
        self._handles: dict[int, BeginStep | BeginChild] = {}
        self._stop_at = stop_at
        self._numbering = Numbering(simulation, execution)
        self._begun: set[int] = set()
        self._steps: dict[int, Task] = {}

    def restart(self, *, complete: bool) -> None:
        """Begin with the first part again. Once the parts are complete there must be no other."""
        self._handles.clear()
        self._numbering.restart(complete=complete)

    def outcome(self, command: Command) -> Waiting[Reply]:
        """Carry out a command. Raises `Suspended` if no worker holds the execution meanwhile."""
        if not isinstance(command, Await):
            return (yield from self._carried_out(command))
        if self._handles.get(command.number) is not command.begun:
            return Reply(error=TypeError(NOT_BEGUN))
        return (yield from self._awaited(self._execution.parts[command.number], command.begun))

    def _carried_out(self, command: Command) -> Waiting[Reply]:
        if isinstance(command, Changed) and self._numbering.is_before(command):
            return Reply(value=False)
        try:
            part = self._numbering.next(command)
        except NonRetryableError as error:  # the input of a child
            return Reply(error=error)
        self._begin(part, command)
        if isinstance(command, BeginStep | BeginChild):
            self._handles[part.number] = command
            return Reply(Await(part.number, command))
        return (yield from self._awaited(part, command))

    def _begin(self, part: Part, command: Command) -> None:
        """Start what a part stands for, unless it has started, and stop where the test says so."""
        if part.number not in self._begun and part.state == "pending":
            self._begun.add(part.number)
            self._start(part, command)
            if not isinstance(command, RunStep | BeginStep):
                self._simulation.moment(f"after {part} of {self._execution.id} was stored")
        if self._stop_at in {part.number, part.name}:
            self._execution.over.set()
            raise Suspended(Event())  # for ever

    def _start(self, part: Part, command: Command) -> None:
        match command:
            case BeginStep(step=step):
                running = self._beside(part, step)
                self._steps[part.number] = self._simulation.world.spawn(running)
            case Sleep(seconds=seconds):
                self._ends_in(part, seconds, part.resolve)
            case WaitForSignal(name=name, timeout=timeout):
                self._execution.receive(name, part)
                self._ends_in(part, timeout, lambda: part.reject(LATE))
            case BeginChild() | CallChild(child=BeginChild()):
                child = command.child if isinstance(command, CallChild) else command
                self._begin_child(part, child)
            case ReportProgress(done=done, total=total):
                self._execution.progress.append((done, total))
                part.resolve()
            case Changed():
                part.resolve("true")
            case _:
                pass  # `RunStep` runs where the body waits for it

    def _ends_in(self, part: Part, seconds: float, end: Callable[[], None]) -> None:
        world = self._simulation.world
        part.due = world.now + seconds if part.due is None else part.due
        world.at(part.due, end)

    def _beside(self, part: Part, step: RunStep) -> Waiting[None]:
        try:
            yield from attempts(self._simulation, self._execution, part, step)
        except Crashed:
            self._crash()

    def _awaited(self, part: Part, command: Command) -> Waiting[Reply]:
        if isinstance(command, RunStep) and part.state == "pending":
            yield from attempts(self._simulation, self._execution, part, command)
        if part.state == "pending":
            if part.number not in self._steps:
                raise Suspended(part.settled)
            yield part.settled
        return _reply(part, command)

    def steps_ended(self) -> Waiting[None]:
        """Wait for the steps that run beside the body."""
        for number in self._steps:
            yield self._execution.parts[number].settled

    def drop_steps(self) -> None:
        """Forget the steps that were running when the worker died."""
        for number, task in self._steps.items():
            task.close()
            self._begun.discard(number)
        self._steps.clear()

    def check_end(self) -> None:
        """Raise `NonDeterministic` if parts are left, `Suspended` if children still run."""
        self._numbering.check_end()
        for part in self._execution.parts.values():
            if part.state == "pending":
                raise Suspended(part.settled)


def _reply(part: Part, command: Command) -> Reply:
    if part.failure is not None:
        return Reply(error=part.failure.error())
    match command:
        case RunStep(function=function) | BeginStep(step=RunStep(function=function)):
            annotation = result_annotation(function)
        case BeginChild(result=result) | CallChild(child=BeginChild(result=result)):
            annotation = result
        case _:
            annotation = Any
    try:
        return Reply(converted(part.text, annotation))
    except InvalidValue as error:
        # It was checked when it was stored, so the annotation has changed since then.
        raise NonDeterministic(
            f"the stored result of {part.name} is not what its annotation says now: {error}"
        ) from error
