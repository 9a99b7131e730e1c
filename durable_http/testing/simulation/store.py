"""What is stored of an execution, so that it can be run again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from durable_http.errors import StepFailed, TimedOut
from durable_http.testing.simulation.world import Event

if TYPE_CHECKING:
    from durable_http.commands import Command

type State = Literal["pending", "resolved", "rejected"]
type Status = Literal["pending", "resolved", "rejected", "canceled", "timed out"]


@dataclass(frozen=True)
class Failure:
    """A failure as data. `timed_out`: what was waited for has not come in time."""

    type: str
    message: str
    step: str | None = None
    attempts: int | None = None
    timed_out: bool = False

    def error(self) -> StepFailed:
        """Return what is raised at the `yield`."""
        if self.timed_out:
            return TimedOut(self.message)
        return StepFailed(self.message, type=self.type, step=self.step, attempts=self.attempts)


LATE: Final = Failure("TimedOut", "the signal or the child did not come in time", timed_out=True)


def describe(
    error: BaseException, *, step: str | None = None, attempts: int | None = None
) -> Failure:
    """Return an exception as data. Never raises, even if `__str__` does."""
    if isinstance(error, StepFailed):
        return Failure(error.type, error.message, error.step, error.attempts)
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - a user's class may raise anything
        message = "its message cannot be shown"
    return Failure(type(error).__name__, message, step, attempts)


@dataclass
class Part:
    """A numbered part of an execution.

    `command` asked for it; None if only its name is known, from a history. `text` is its result as
    JSON. `due` is the time when a wait ends by itself. `child` is the execution that it has begun.
    """

    number: int
    name: str
    command: Command | None
    state: State = "pending"
    text: str = "null"
    failure: Failure | None = None
    due: float | None = None
    attempts: int = 0
    child: Execution | None = None
    settled: Event = field(default_factory=Event, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.name} (part {self.number})"

    def resolve(self, text: str = "null") -> None:
        """Store a result, unless there is an outcome."""
        if self.state == "pending":
            self.state, self.text = "resolved", text
            self.settled.set()

    def reject(self, failure: Failure) -> None:
        """Store a failure, unless there is an outcome."""
        if self.state == "pending":
            self.state, self.failure = "rejected", failure
            self.settled.set()


@dataclass
class Signal:
    """One value of a signal: it has come, or the part with a number waits or has waited for it."""

    text: str | None = None
    part: int | None = None


@dataclass(frozen=True)
class LogLine:
    """A line that a step has logged."""

    level: str
    event: str
    fields: dict[str, Any]
    step: str | None


@dataclass
class Execution:
    """An execution, or a child. `input` and `text`, its result, are JSON. Times are virtual.

    `result` is the annotation of its result.
    """

    id: str
    function: str
    version: int
    input: str
    began: float
    deadline: float | None = None
    result: Any = Any
    parts: dict[int, Part] = field(default_factory=dict)
    signals: dict[str, list[Signal]] = field(default_factory=dict)
    status: Status = "pending"
    text: str = "null"
    error: BaseException | None = None
    ended: float | None = None
    runs: int = 0
    progress: list[tuple[int, int]] = field(default_factory=list)
    log: list[LogLine] = field(default_factory=list)
    over: Event = field(default_factory=Event, compare=False, repr=False)

    def end(self, status: Status, now: float) -> None:
        self.status, self.ended = status, now
        self.over.set()

    def send(self, name: str, text: str) -> None:
        """Deliver the next value of a signal: to the oldest open wait, or to a later one."""
        values = self.signals.setdefault(name, [])
        for value in values:
            part = self.parts[value.part] if value.part is not None else None
            if part is not None and part.state == "pending":
                value.text = text
                part.resolve(text)
                return
        values.append(Signal(text))

    def receive(self, name: str, part: Part) -> None:
        """Let a new wait have the value of its number, if that has come."""
        values = self.signals.setdefault(name, [])
        number = sum(each.name == part.name for each in self.parts.values())
        if number > len(values):
            values.append(Signal())
        value = values[number - 1]
        value.part = part.number
        if value.text is not None:
            part.resolve(value.text)
