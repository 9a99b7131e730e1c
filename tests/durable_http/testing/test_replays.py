"""Functions that do not do the same when they run again."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from durable_http import function
from durable_http.testing import NonDeterministic, run
from durable_http.testing.simulation.compare import same

if TYPE_CHECKING:
    from collections.abc import Iterator

    from durable_http import Context, Step, Workflow

runs: list[int] = []


@pytest.fixture(autouse=True)
def _no_runs() -> Iterator[None]:
    yield
    runs.clear()


def work(step: Step, *arguments: Any) -> Any:
    """Return the number of arguments."""
    return len(arguments)


def count() -> int:
    """Return how often this was called: the state of a process, which no replay has."""
    runs.append(1)
    return len(runs)


@function
def renamed(context: Context) -> Workflow[None]:
    """Ask for another step at each run."""
    yield context.progress(0, 1)
    yield context.step(work, name=f"step{count()}")
    yield context.sleep(1)


@function
def turned(context: Context) -> Workflow[None]:
    """Ask for a sleep where there was a step."""
    first = count() == 1
    yield context.step(work) if first else context.sleep(1)
    yield context.sleep(1)


@function
def shortened(context: Context) -> Workflow[None]:
    """Return before everything was asked for that there was."""
    yield context.sleep(1)
    if count() < 2:
        yield context.step(work)


@function
def lengthened(context: Context) -> Workflow[None]:
    """Ask for more when everything was done."""
    if count() > 1:
        yield context.step(work)


@function
def other_arguments(context: Context) -> Workflow[None]:
    """Give a step other arguments at each run."""
    yield context.step(work, {"n": [count()]})


@function
def other_input(context: Context) -> Workflow[None]:
    """Give a child another input at each run."""
    yield context.call("replaced", count())


@function
def other_time(context: Context) -> Workflow[None]:
    """Sleep longer at each run."""
    yield context.sleep(count())


@function
def other_result(context: Context) -> Workflow[int]:
    """Return another result at each run."""
    yield context.step(work)
    return count()


@function
def other_error(context: Context) -> Workflow[int]:
    """Fail in another way at each run."""
    yield context.step(work)
    raise ValueError(count())


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (renamed, "expected step step1, found step step2 at part 2 of test-1"),
        (turned, "expected step work, found sleep at part 1 of test-1"),
        (shortened, "expected step work, found the end at part 2 of test-1"),
        (lengthened, "expected the end, found step work at part 1 of test-1"),
        (
            other_arguments,
            "other arguments when the function ran again: ({'n': [2]},), before ({'n': [1]},)",
        ),
        (other_input, "was given other input when the function ran again: 2, before 1"),
        (other_time, "was given other seconds when the function ran again: 2.0, before 1.0"),
        (other_result, "test-1 ended with 1, and when the function ran again with 2"),
        (other_error, "ended with ValueError: 1, and when the function ran again with ValueError"),
    ],
)
def test_differences_are_found(body: Any, message: str) -> None:
    """What differs between two runs of a body fails the test and is named."""
    with pytest.raises(NonDeterministic) as caught:
        run(body, children={"replaced": 1})

    assert message in str(caught.value)


def test_the_body_cannot_catch_it() -> None:
    """A body that catches everything does not hide that it differs."""

    @function
    def catching(context: Context) -> Workflow[None]:
        try:
            yield context.step(work, count())
        except Exception:  # noqa: BLE001 - the point
            return

    with pytest.raises(NonDeterministic):
        run(catching)


def test_what_is_the_same_passes() -> None:
    """Objects without an `==`, NaN and functions of the body are no difference."""

    class Plain:
        def __init__(self) -> None:
            self.items = [1, {2}]

    @function
    def same_each_time(context: Context) -> Workflow[Any]:
        return (yield context.step(work, Plain(), float("nan"), lambda: 1))

    assert run(same_each_time).result == 3


def test_seeded_chance_is_the_same() -> None:
    """A generator of random numbers with a seed of its own gives the same in each run."""

    @function
    def seeded(context: Context, seed: int) -> Workflow[Any]:
        return (yield context.step(work, *[1] * random.Random(seed).randint(1, 6)))

    assert run(seeded, 4).result == random.Random(4).randint(1, 6)


class Slotted:
    """Has slots and no `==`."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class Circle:
    """Is in its own fields."""

    def __init__(self) -> None:
        self.self = self


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (1, 1, True),
        (1, 1.0, False),
        ([1, (2,)], [1, (2,)], True),
        ([1], [1, 2], False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": 1}, {"b": 1}, False),
        ({1, 2}, {2, 1}, True),
        (Slotted([1]), Slotted([1]), True),
        (Slotted([1]), Slotted([2]), False),
        (Slotted(Slotted({"a": 1})), Slotted(Slotted({"a": 2})), False),
        (Circle(), Circle(), True),
        (float("nan"), float("nan"), True),
    ],
)
def test_values_are_compared(one: Any, other: Any, expected: bool) -> None:  # noqa: FBT001
    """Values are compared by what they are, objects without an `==` by their fields."""
    assert same(one, other) is expected
