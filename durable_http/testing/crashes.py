"""`crash_everywhere`: lets the worker die at each moment of an execution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from durable_http.testing.errors import CrashFailure
from durable_http.testing.running import Scenario, simulate
from durable_http.testing.simulation.compare import same, shown
from durable_http.testing.simulation.store import describe

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Unpack

    from durable_http.testing.outcome import Outcome
    from durable_http.testing.simulation.simulation import Call, Simulation


@dataclass(frozen=True)
class CrashReport:
    """What `crash_everywhere` has tried: the run without a crash, and the moments of the others."""

    outcome: Outcome
    moments: tuple[str, ...]


def _nothing() -> None:
    """Do nothing."""


def _accepted(_: Outcome) -> None:
    """Accept an outcome."""


def crash_everywhere(
    function: Callable[..., Any],
    input: Any = None,
    *,
    setup: Callable[[], object] = _nothing,
    check: Callable[[Outcome], object] = _accepted,
    **scenario: Unpack[Scenario],
) -> CrashReport:
    """Run a function once without a crash, and once for each moment at which a worker may die.

    These moments are right before each part, while a step runs (it has had its effect, its result
    is not stored), after each outcome is stored, and right before the end is stored. Each of these
    runs must come to the same end, with the same steps, each with the same key and arguments; else
    `CrashFailure` is raised. Where a worker dies the `finally` blocks of the body run, as they do
    when a worker loses its claim.

    `setup` is called before each run and empties the fakes; `check` is called with the outcome of
    each run and asserts what the fakes have seen. `scenario` is as for `run`.
    """
    setup()
    base, calm = simulate(function, input, scenario)
    check(base)
    for number, moment in enumerate(calm.moments):
        setup()
        try:
            outcome, simulation = simulate(function, input, scenario, crash_at=number)
            _compare(base, calm, outcome, simulation)
            check(outcome)
        except AssertionError as error:
            raise CrashFailure(f"the worker died {moment}: {error}") from error
        except Exception as error:
            error.add_note(f"the worker died {moment}")
            raise
    return CrashReport(base, tuple(calm.moments))


def _compare(base: Outcome, calm: Simulation, outcome: Outcome, simulation: Simulation) -> None:
    if _end(base) != _end(outcome):
        raise CrashFailure(f"it ended with {_end(outcome)}, without a crash with {_end(base)}")
    lost = calm.calls.keys() - simulation.calls.keys()
    if lost:
        raise CrashFailure(
            f"it did not run {', '.join(_call(calm.calls[key]) for key in sorted(lost))}"
        )
    for key, call in simulation.calls.items():
        first = calm.calls.get(key)
        if first is None:
            raise CrashFailure(f"it ran {_call(call)}, which does not run without a crash")
        if first.step != call.step or not same(first.arguments, call.arguments):
            raise CrashFailure(f"it ran {_call(call)}, without a crash {_call(first)}")


def _end(outcome: Outcome) -> str:
    if outcome.error is None:
        return shown(outcome.json)
    failure = describe(outcome.error)
    return f"{failure.type}: {failure.message}"


def _call(call: Call) -> str:
    return f"{call.step}{shown(call.arguments)} with the key {call.key}"
