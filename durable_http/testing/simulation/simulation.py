"""What all executions of one run share."""

from __future__ import annotations

from asyncio import CancelledError
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import orjson

from durable_http.testing.errors import NonDeterministic, TooManyParts
from durable_http.testing.simulation.compare import same, shown
from durable_http.types import JsonType

if TYPE_CHECKING:
    from collections.abc import Collection

    from durable_http.testing.simulation.fakes import Fakes
    from durable_http.testing.simulation.world import World

FAILURES: Final = (Exception, SystemExit, GeneratorExit, CancelledError)
"""What a step or a body may fail with; anything else, as `KeyboardInterrupt`, ends the test."""


class Crashed(BaseException):
    """The worker has died."""


@dataclass(frozen=True)
class Call:
    """A call of a step's function, by the step's idempotency key."""

    key: str
    step: str
    arguments: tuple[Any, ...]


@dataclass
class Simulation:
    """The world of an execution and its children.

    `crash_at` is the number of the moment at which the worker dies; `moments` are all that have
    passed.
    """

    fakes: Fakes
    world: World
    allowed: Collection[str]
    max_result_bytes: int
    most_parts: int
    most_runs: int
    crash_at: int | None
    moments: list[str] = field(default_factory=list)
    calls: dict[str, Call] = field(default_factory=dict)
    parts: int = 0

    def moment(self, text: str) -> None:
        """Pass a moment at which a worker may die. Raises `Crashed` if it dies."""
        self.moments.append(text)
        if len(self.moments) - 1 == self.crash_at:
            raise Crashed

    def count_part(self, execution: str) -> None:
        self.parts += 1
        if self.parts > self.most_parts:
            raise TooManyParts(
                f"{execution} has more than {self.most_parts} parts; does it end? "
                "Allow more with most_parts="
            )

    def count_run(self, execution: str, runs: int) -> None:
        if runs > self.most_runs:
            raise TooManyParts(
                f"{execution} has run {self.most_runs} times from its first line; does it end? "
                "Allow more with most_runs="
            )

    def count_call(self, call: Call) -> None:
        """Remember a call of a step. Raises `NonDeterministic` if its key was used for another."""
        first = self.calls.setdefault(call.key, call)
        if first.step != call.step or not same(first.arguments, call.arguments):
            raise NonDeterministic(
                f"the key {call.key} was used for {first.step}{shown(first.arguments)} "
                f"and for {call.step}{shown(call.arguments)}"
            )


def converted(text: str, annotation: Any) -> Any:
    """Return a stored value as an annotation says. Raises `InvalidValue`, or `TypeError`."""
    return JsonType(annotation).convert(orjson.loads(text))
