"""Children in tests: in the same virtual time, or replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from durable_http import StepFailed, TimedOut, function
from durable_http.testing import UnknownChild, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from durable_http import Context, Step, Workflow


def convert(step: Step, seconds: float) -> str:
    """Return the key of the step."""
    return step.idempotency_key


@function(private=True)
def part(context: Context, seconds: float) -> Workflow[Any]:
    """Take some time."""
    yield context.sleep(seconds)
    if seconds < 1:
        raise KeyError(seconds)
    return (yield context.step(convert, seconds))


@function
def parent(context: Context, data: dict[str, Any]) -> Workflow[list[Any]]:
    """Begin children that run at the same time, and wait for each."""
    begun = []
    for seconds in data["parts"]:
        child = yield context.begin(data["child"], seconds, timeout=data.get("timeout"))
        begun.append(child)
    results: list[Any] = []
    for child in begun:
        try:
            results.append((yield child))
        except StepFailed as error:
            results.append([type(error).__name__, error.type, error.message])
    return results


def given(*parts: float, child: str = "part", **more: Any) -> dict[str, Any]:
    """Return the input of `parent`."""
    return {"parts": parts, "child": child, **more}


def test_children_run_at_the_same_time() -> None:
    """Real children run in the parent's virtual time, with ids below the parent's."""
    outcome = run(parent, given(30, 20, 10))

    assert outcome.result == ["test-1.1.2", "test-1.2.2", "test-1.3.2"]
    assert outcome.clock == 30
    assert [child.id for child in outcome.children] == ["test-1.1", "test-1.2", "test-1.3"]
    assert [child.clock for child in outcome.children] == [30, 20, 10]
    assert outcome.children[0].step("convert").arguments == (30,)
    assert outcome.steps == ()


def test_steps_of_children_are_replaced_too() -> None:
    """What replaces steps holds in the whole tree."""
    assert run(
        parent, given(1, 2), steps={convert: lambda _, seconds: f"{seconds:g} s"}
    ).result == [
        "1 s",
        "2 s",
    ]


def test_a_child_fails() -> None:
    """Waiting for a child that has failed raises its failure."""
    assert run(parent, given(0.5)).result == [["StepFailed", "KeyError", "0.5"]]


def test_a_child_takes_too_long() -> None:
    """A child has its `timeout`, and no more time than its parent."""
    late = ["TimedOut", "TimedOut", "the signal or the child did not come in time"]
    outcome = run(parent, given(30, 5, timeout=10))

    assert outcome.result == [late, "test-1.2.2"]
    assert [child.status for child in outcome.children] == ["timed out", "resolved"]
    outcome = run(parent, given(30), timeout=10)
    assert (outcome.status, outcome.clock) == ("timed out", 10)


@pytest.mark.parametrize("target", ["part", part], ids=["name", "function"])
def test_children_are_replaced(target: str | Callable[..., Any]) -> None:
    """By a callable that gets the input, by an error, or by a result."""
    assert run(parent, given(4), children={target: lambda seconds: seconds * 2}).result == [8]
    assert run(parent, given(4), children={target: (1, 2)}).result == [[1, 2]]
    assert run(parent, given(4), children={target: ValueError("no")}).result == [
        ["StepFailed", "ValueError", "no"]
    ]
    assert run(parent, given(4), children={target: {1}}).result[0][1] == "NotJson"


def test_another_function_runs_instead() -> None:
    """A durable function that replaces a child runs as one."""
    assert run(parent, given(4, child="elsewhere"), children={"elsewhere": part}).result == [
        "test-1.1.2"
    ]


def test_the_newest_version_of_a_child_is_begun() -> None:
    """A child is begun with the newest version of its function."""

    @function(name="versioned")
    def old(step: Step) -> int:
        return 1

    @function(name="versioned", version=3)
    def new(step: Step) -> int:
        return 3

    outcome = run(parent, given(1, child="versioned"))

    assert outcome.result == [3]
    assert (outcome.children[0].function, outcome.children[0].version) == ("versioned", 3)


def test_an_unknown_child_fails_the_test() -> None:
    """A function cannot catch that the test has no such child."""
    with pytest.raises(UnknownChild, match="there is no function nowhere; declare it or replace"):
        run(parent, given(1, child="nowhere"))


def test_a_child_without_json_is_refused_in_the_body() -> None:
    """A body sees at its line that a child's input cannot be stored."""

    @function
    def begins(context: Context) -> Workflow[str]:
        try:
            yield context.call("part", {1})
        except Exception as error:  # noqa: BLE001
            return type(error).__name__
        return "begun"

    outcome = run(begins)

    assert outcome.result == "NotJson"
    assert outcome.history.parts == ()


def test_an_execution_ends_after_its_children() -> None:
    """A child that nobody waits for ends before its parent."""

    @function
    def leaving(context: Context) -> Workflow[str]:
        yield context.begin(part, 60)
        return "left"

    outcome = run(leaving)

    assert (outcome.result, outcome.clock) == ("left", 60)
    assert outcome.children[0].status == "resolved"


def test_children_are_canceled_with_their_parent() -> None:
    """A canceled execution takes its children with it."""
    outcome = run(parent, given(60), cancel_at=5)

    assert outcome.status == "canceled"
    assert [child.status for child in outcome.children] == ["canceled"]


def test_a_child_can_be_missing_its_time() -> None:
    """A parent can call a child and catch that it is late."""

    @function
    def calls(context: Context) -> Workflow[bool]:
        try:
            yield context.call(part, 60, timeout=5)
        except TimedOut:
            return True
        return False

    assert run(calls).result is True
