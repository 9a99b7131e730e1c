"""The functions that ship, in memory: each ends the same wherever a worker dies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from durable_http import function
from durable_http.testing import NonDeterministic, crash_everywhere, run
from worker.functions.approval import approval
from worker.functions.checkout import checkout
from worker.functions.countdown import countdown
from worker.functions.fanout import fanout, part
from worker.functions.foo import foo

if TYPE_CHECKING:
    from collections.abc import Callable

    from durable_http import Context, Step, Workflow

STAMP = {"result": "Processed: null", "timestamp": 1.0}

EXAMPLES: list[tuple[Callable[..., Any], object, dict[str, Any]]] = [
    (foo, {"foo": "bar"}, {"steps": {"foo": STAMP}}),
    (checkout, {"pace": 0}, {}),
    (checkout, {"pace": 0, "fail": "ship"}, {}),
    (approval, None, {"signals": {"approval": [True]}}),
    (approval, {"within": "3d"}, {}),
    (countdown, {"from": 3, "every": 86400}, {}),
    (fanout, {"parts": 3, "pace": 0}, {}),
    (part, {"number": 1, "pace": 0}, {}),
]


@pytest.mark.parametrize(("example", "given", "world"), EXAMPLES)
def test_a_worker_may_die_anywhere(
    example: Callable[..., Any], given: object, world: dict[str, Any]
) -> None:
    """A worker dies before, in and after each part; the function ends as it does without that."""
    report = crash_everywhere(example, given, **world)

    assert len(report.moments) >= 3


def test_three_days_take_no_time() -> None:
    """Virtual time passes at once."""
    outcome = run(approval, {"within": "3d"})

    assert (outcome.result, outcome.clock) == ({"answered": False, "answer": None}, 3 * 86400)


@function
def clocked(context: Context, _: Any = None) -> Workflow[Any]:
    """Read a clock where no step is."""
    import time  # noqa: PLC0415 - as a user's function may do

    return (yield context.step(echo, time.time()))


def echo(_: Step, value: Any) -> Any:
    """Return the value."""
    return value


@function
def sharing(context: Context, _: Any = None) -> Workflow[Any]:
    """Branch by a list that a step is given, and changes."""
    names: list[str] = []
    yield context.step(lambda step, names: names.append(step.name), names, name="add")
    return names


def test_a_clock_in_a_body_is_found() -> None:
    """A function that would differ in its next run fails in the test, with its line."""
    with pytest.raises(NonDeterministic, match=r"time\.time\(\)"):
        run(clocked)


def test_a_step_has_arguments_of_its_own() -> None:
    """What a step does to its arguments is not seen by the body, in no run."""
    assert run(sharing).result == []
