"""The commands of a durable function: what its `Context` returns, to be yielded.

They are plain data. A worker carries them out with the server, `durable_http.testing` in memory.

Each command but `Await` is a numbered part of its execution: the n-th has the number n. The number,
the kind and the name of a part are stored, so that a replay shows whether the code still asks for
the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from durable_http.retry import RetryPolicy
    from durable_http.step import StepFunction


@dataclass(frozen=True)
class Command:
    """Something that a durable function asks for."""


@dataclass(frozen=True)
class RunStep(Command):
    """Run a step and wait for its result.

    `timeout` is in seconds; None is the worker's default, `math.inf` is no limit.
    """

    function: StepFunction
    arguments: tuple[Any, ...]
    name: str
    retry: RetryPolicy
    timeout: float | None


@dataclass(frozen=True)
class BeginStep(Command):
    """Start a step and go on beside it; the outcome is an `Await` for its result."""

    step: RunStep


@dataclass(frozen=True)
class Sleep(Command):
    """Go on after this many seconds."""

    seconds: float


@dataclass(frozen=True)
class WaitForSignal(Command):
    """Wait for the next value of a signal, for `timeout` seconds at most."""

    name: str
    timeout: float


class Omitted(Enum):
    """Stands for an input that is not given."""

    INPUT = "the function's default input"


@dataclass(frozen=True)
class BeginChild(Command):
    """Start a child execution; the outcome is an `Await` for its result.

    `result` is the annotation of its result.
    """

    function: str
    input: Any
    timeout: float | None
    result: Any = Any


@dataclass(frozen=True)
class CallChild(Command):
    """Start a child execution and wait for its result."""

    child: BeginChild


@dataclass(frozen=True)
class ReportProgress(Command):
    """Report to clients how much is done."""

    done: int
    total: int


@dataclass(frozen=True)
class Changed(Command):
    """Find out whether to run the code after a change; the outcome is a bool."""

    name: str


@dataclass(frozen=True)
class Await(Command):
    """Wait for the result of the part with this number, a step or a child that was begun."""

    number: int
    begun: BeginStep | BeginChild


def part_of(command: Command) -> str:
    """Return the kind and the name of a command, as stored parts are compared by."""
    match command:
        case RunStep(name=name) | BeginStep(step=RunStep(name=name)):
            return f"step {name}"
        case BeginChild(function=name) | CallChild(child=BeginChild(function=name)):
            return f"child {name}"
        case WaitForSignal(name=name):
            return f"signal {name}"
        case Changed(name=name):
            return f"change {name}"
        case Sleep():
            return "sleep"
        case ReportProgress():
            return "progress"
        case _:
            raise TypeError(f"{type(command).__name__} is no part of an execution")


NOT_BEGUN = "yield a step or a child that this execution has begun"
"""What is wrong with an `Await` of another execution."""

THE_END = "the end"
"""What stands for the return of a function among its parts."""
