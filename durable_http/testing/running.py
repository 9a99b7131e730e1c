"""`run`: runs a durable function to its end in memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypedDict

from durable_http.arguments import checked_limit, checked_seconds, checked_signal
from durable_http.declarations.definition import definition_of
from durable_http.testing.outcome import outcome_of
from durable_http.testing.simulation.fakes import Fakes
from durable_http.testing.simulation.histories import stored
from durable_http.testing.simulation.runner import Runner
from durable_http.testing.simulation.simulation import Simulation
from durable_http.testing.simulation.store import Execution
from durable_http.testing.simulation.world import Event, World
from durable_http.values import json_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import timedelta
    from typing import Unpack

    from durable_http.declarations.definition import Definition
    from durable_http.testing.outcome import Outcome
    from durable_http.testing.simulation.fakes import Target
    from durable_http.testing.simulation.histories import History

    type Seconds = float | timedelta

MAX_RESULT_BYTES: Final = 1 << 20
MOST_PARTS: Final = 10_000
MOST_RUNS: Final = 500


@dataclass(frozen=True)
class After:
    """A value of a signal that is sent at a virtual time, in seconds after the begin of the run."""

    seconds: float
    value: Any


def after(seconds: Seconds, value: Any) -> After:
    """Send the value of a signal so much later than the run begins."""
    return After(checked_seconds(seconds, "the time of a signal"), value)


class Scenario(TypedDict, total=False):
    """What a test may say of a run.

    `id`: the id of the execution, `test-1` by default.

    `steps`: what stands for steps, by the step's function or name: a callable that is called with
    the same arguments (its `Step` first), an exception that each attempt raises, or else the
    result. Other steps run for real.

    `fail`: exceptions that the first attempts of a step raise, one each, whether it is replaced or
    not. `StepTimeout()` stands for an attempt that exceeds its time.

    `children`: what stands for children, by the name of their function or the function itself: a
    durable function that runs instead, a callable that is called with the input, an exception, or
    else the result. Other children run for real, in the same virtual time.

    `signals`: the values that are sent under each name, in order: at the beginning, or `after` a
    time.

    `cancel_at`: the virtual time in seconds at which a client cancels the execution.

    `timeout`: the time of the execution in seconds; what the function declares by default, and
    without that as long as it takes.

    `stop_at`: the number or the name of a part, such as `3` or `"signal approval"`; the run stops
    once the execution has begun it. Its outcome has a `history`.

    `history`: go on with the execution that an earlier run has left, with its id and its input, as
    after a deploy of this function.

    `allow`: names of calls that the body may make although they belong in a step, such as
    `"time.monotonic"`.

    `max_result_bytes`: the bytes of JSON that a result may have, 1 MiB by default.

    `most_parts`: the parts of the execution and its children after which a test fails, 10,000 by
    default. `most_runs`: the same for the runs of one body from its first line, 500 by default; the
    time that a test takes grows with their square.
    """

    id: str
    steps: Mapping[Target, Any]
    fail: Mapping[Target, Sequence[BaseException | type[BaseException]]]
    children: Mapping[Target, Any]
    signals: Mapping[str, Sequence[Any]]
    cancel_at: Seconds
    timeout: Seconds
    stop_at: int | str
    history: History
    allow: Collection[str]
    max_result_bytes: int
    most_parts: int
    most_runs: int


def run(function: Callable[..., Any], input: Any = None, **scenario: Unpack[Scenario]) -> Outcome:
    """Run a durable function as a worker does, in memory and in virtual time.

    The function runs again from its first line after each wait for a time, a signal or a child, and
    once more at the end. Raises `NonDeterministic` if it does not do the same each time, or if it
    uses the clock, chance or I/O itself. Without an input it gets the one that it declares as
    default. `Scenario` says what else a test may give.

    The time limits of steps do not hold here, since no time passes while a step runs.
    """
    return simulate(function, input, scenario)[0]


def simulate(
    function: Callable[..., Any], input: Any, scenario: Scenario, crash_at: int | None = None
) -> tuple[Outcome, Simulation]:
    """Run a function, with a worker that dies at a moment; the next one goes on."""
    unknown = scenario.keys() - Scenario.__annotations__.keys()
    if unknown:
        raise TypeError(f"there is no {', '.join(sorted(unknown))}; see Scenario")
    definition = definition_of(function)
    history = scenario.get("history")
    simulation = _simulation(scenario, crash_at, 0.0 if history is None else history.now)
    execution = _execution(definition, input, scenario, simulation)
    signals = _signals(scenario, simulation.max_result_bytes)
    world = simulation.world
    start = world.now
    runner = Runner(simulation, execution, definition, scenario.get("stop_at"))
    for name, seconds, text in signals:
        if seconds is None:
            execution.send(name, text)
        else:
            world.at(start + seconds, partial(execution.send, name, text))
    if "cancel_at" in scenario:
        seconds = checked_seconds(scenario["cancel_at"], "cancel_at")
        world.at(start + seconds, lambda: runner.end_early("canceled"))
    try:
        world.run(execution.over)
    finally:
        world.close()
    if "stop_at" in scenario and execution.status != "pending":
        raise ValueError(f"{execution.id} ended without a part {scenario['stop_at']}")
    return outcome_of(execution, world.now), simulation


def _simulation(scenario: Scenario, crash_at: int | None, now: float) -> Simulation:
    fakes = Fakes(scenario.get("steps", {}), scenario.get("children", {}), scenario.get("fail", {}))
    return Simulation(
        fakes,
        World(now),
        scenario.get("allow", ()),
        scenario.get("max_result_bytes", MAX_RESULT_BYTES),
        scenario.get("most_parts", MOST_PARTS),
        scenario.get("most_runs", MOST_RUNS),
        crash_at,
    )


def _execution(
    definition: Definition, input: Any, scenario: Scenario, simulation: Simulation
) -> Execution:
    history = scenario.get("history")
    if history is not None:
        if input is not None or "id" in scenario:
            raise TypeError("a run that goes on with a history has its input and its id")
        # One that has ended is looked at as if it had not: its parts are what counts.
        return replace(
            stored(history.execution),
            result=definition.result,
            status="pending",
            error=None,
            ended=None,
            over=Event(),
        )
    value = definition.default_input if input is None else input
    timeout = checked_limit(scenario.get("timeout", definition.timeout), "timeout")
    return Execution(
        scenario.get("id", "test-1"),
        definition.name,
        definition.version,
        json_of(value, simulation.max_result_bytes, "the input"),
        simulation.world.now,
        None if timeout is None else simulation.world.now + timeout,
        definition.result,
    )


def _signals(scenario: Scenario, limit: int) -> list[tuple[str, float | None, str]]:
    """Return the name, the time and the JSON of each value that is sent."""
    found: list[tuple[str, float | None, str]] = []
    for name, values in scenario.get("signals", {}).items():
        if not isinstance(values, list | tuple):
            raise TypeError(f"the values of the signal {name} must be a list")
        for each in values:
            seconds, value = (each.seconds, each.value) if isinstance(each, After) else (None, each)
            found.append((checked_signal(name), seconds, json_of(value, limit, "a signal")))
    return found
