"""The commands of a context: plain data, and the names of the parts that they ask for."""

from __future__ import annotations

import functools
import math
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from durable_http import Context, RetryPolicy, Step, Workflow, function
from durable_http.commands import (
    Await,
    BeginChild,
    BeginStep,
    CallChild,
    Changed,
    Omitted,
    ReportProgress,
    RunStep,
    Sleep,
    WaitForSignal,
    part_of,
)
from durable_http.retry import DEFAULT_RETRY

if TYPE_CHECKING:
    from durable_http.commands import Command

OWN = RetryPolicy(max_attempts=2)
CONTEXT = Context("job", OWN)


def reserve(step: Step, *_: Any) -> str:
    """Set goods aside."""
    return step.name


@function(name="an-order", version=2)
def order(context: Context, given: int) -> Workflow[str]:
    """Order something."""
    name: str = yield context.step(reserve, given)
    return name


@pytest.mark.parametrize(
    ("command", "part"),
    [
        (CONTEXT.step(reserve), "step reserve"),
        (CONTEXT.step(reserve, name="set aside"), "step set aside"),
        (CONTEXT.begin_step(reserve, 5), "step reserve"),
        (CONTEXT.begin("part"), "child part"),
        (CONTEXT.call(order, 1), "child an-order"),
        (CONTEXT.signal("approval", timeout=5), "signal approval"),
        (CONTEXT.changed("reserve-before-charge"), "change reserve-before-charge"),
        (CONTEXT.sleep(5), "sleep"),
        (CONTEXT.progress(1, 2), "progress"),
    ],
)
def test_a_command_asks_for_a_part(command: Command, part: str) -> None:
    """A stored part is known by its kind, and by its name if it has one."""
    assert part_of(command) == part


def test_to_wait_for_a_part_is_no_part() -> None:
    """What waits for a step or a child that was begun has no number of its own."""
    with pytest.raises(TypeError, match="Await is no part of an execution"):
        part_of(Await(1, CONTEXT.begin("part")))


def test_a_step_is_data() -> None:
    """A step has the given policy and time, or those of its function and of its worker."""
    plain = CONTEXT.step(reserve, 1, "a")
    given = Context("job").step(
        reserve, name="set aside", retry=DEFAULT_RETRY, timeout=timedelta(seconds=3)
    )

    assert plain == RunStep(reserve, (1, "a"), "reserve", OWN, None)
    assert given == RunStep(reserve, (), "set aside", DEFAULT_RETRY, 3.0)
    assert CONTEXT.begin_step(reserve, 1, "a") == BeginStep(plain)
    assert CONTEXT.step(reserve, timeout=math.inf).timeout == math.inf


def test_a_child_is_data() -> None:
    """A child is named by text, or by a declared function, whose result's annotation it has."""
    by_name = CONTEXT.begin("part", {"a": 1}, timeout=timedelta(minutes=1))
    by_function = CONTEXT.begin(order, 5)

    assert by_name == BeginChild("part", {"a": 1}, 60.0)
    assert (by_function.function, by_function.input, by_function.timeout) == ("an-order", 5, None)
    assert CONTEXT.call("part") == CallChild(BeginChild("part", Omitted.INPUT, None))


def test_a_child_is_a_durable_function() -> None:
    """A function that is not declared cannot be a child: no worker would find it."""
    with pytest.raises(TypeError, match="reserve is no durable function"):
        CONTEXT.begin(reserve)


def test_the_other_commands_are_data() -> None:
    """Times are in seconds; reports are whole numbers."""
    assert CONTEXT.sleep(timedelta(minutes=1)) == Sleep(60.0)
    assert CONTEXT.signal("go", timeout=timedelta(hours=1)) == WaitForSignal("go", 3600.0)
    assert CONTEXT.progress(1, 2) == ReportProgress(1, 2)
    assert CONTEXT.changed("a") == Changed("a")


def test_a_step_without_a_name_of_its_own_is_a_step() -> None:
    """An object that can be called has no name; it is stored as `step`."""

    class Reserve:
        def __call__(self, step: Step) -> str:
            return step.name

    assert CONTEXT.step(Reserve()).name == "step"


async def later(_: Step) -> None:
    """Work when it is awaited."""


def bit_by_bit(_: Step) -> Any:
    """Work when it is iterated over."""
    yield


@pytest.mark.parametrize("step", [later, bit_by_bit, functools.partial(later), 5])
def test_a_step_is_a_plain_function(step: Any) -> None:
    """What does nothing when it is called is refused at its line."""
    with pytest.raises(TypeError, match="a step "):
        CONTEXT.step(step)
