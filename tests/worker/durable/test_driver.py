"""The body of a durable function: run again, failed, fenced off."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest

from shared.resonate.codec import Failure
from tests.support.durable import Engine, Work
from worker.durable.driver import durable
from worker.errors import Fenced, NonRetryableError, StepFailed

if TYPE_CHECKING:
    from worker.durable.context import Context, Workflow
    from worker.durable.steps import Step


class Declined(NonRetryableError):
    """A permanent error of a user's own."""


def test_an_execution_is_a_generator() -> None:
    """The SDK takes what `durable` makes for a function with steps, whatever was wrapped."""
    assert inspect.isgeneratorfunction(durable(Work()))


def test_a_plain_function_is_one_step() -> None:
    """A function that is no generator runs as the only step, under its own name."""
    engine = Engine()

    def plain(step: Step, value: Any) -> list[Any]:
        return [step.name, step.attempt, value]

    assert engine.run(plain, {"a": 1}) == ["plain", 1, {"a": 1}]
    assert [tags["step"] for tags in engine.tags] == ["plain"]


@pytest.mark.parametrize("value", [None, 0, "", [], {"py/object": "x"}, "é", 2**64 - 1, -0.5])
def test_the_input_arrives(value: object) -> None:
    """The function is called with the input as the client sent it."""

    def function(context: Context, given: Any) -> Workflow[Any]:
        return [given, (yield context.step(Work(result=given)))]

    assert Engine().run(function, value) == [value, value]


def test_what_is_stored_is_not_done_again() -> None:
    """A function that is run again is sent what its steps returned or failed with before."""
    first, second, third = Work(result=1), Work([NonRetryableError("no")]), Work(result=3)

    def function(context: Context, _: Any) -> Workflow[list[object]]:
        got: list[object] = [(yield context.step(first))]
        try:
            yield context.step(second, name="second")
        except StepFailed as error:
            got.append(error.failure.type)
        return [*got, (yield context.step(third))]

    engine = Engine()
    result = engine.run(function)

    again = Engine(engine.stored)
    assert again.run(function) == result == [1, "NonRetryableError", 3]
    assert [len(work.seen) for work in (first, second, third)] == [1, 1, 1]


def test_a_failed_step_can_be_caught() -> None:
    """The function sees a failed step as an error at its yield, and may go on."""
    engine = Engine()

    def function(context: Context, _: Any) -> Workflow[Any]:
        try:
            yield context.step(Work([Declined("no")]), name="work")
        except StepFailed as error:
            undone = yield context.step(Work(result="undone"))
            return [str(error), error.failure.type, error.failure.step, undone]

    assert engine.run(function) == ["no", "Declined", "work", "undone"]
    assert [good for good, _ in engine.stored.values()] == [False, True]


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (ValueError("no"), Failure("ValueError", "no")),
        (SystemExit(3), Failure("SystemExit", "3")),
        (StepFailed(Failure("E", "m", "s", 2)), Failure("E", "m", "s", 2)),
        (NonRetryableError("é" * 2000), Failure("NonRetryableError", "é" * 1022 + "…")),
    ],
)
def test_an_error_of_the_function_fails_the_execution(
    error: BaseException, failure: Failure
) -> None:
    """What a function raises itself is stored as the failure of its execution."""

    def function(context: Context, _: Any) -> Workflow[None]:
        yield context.step(Work())
        raise error

    assert Engine().failure(function) == failure


def test_a_result_that_is_no_json_fails_the_execution() -> None:
    """A function that returns what cannot be stored has failed, with a reason."""

    def function(context: Context, _: Any) -> Workflow[object]:
        yield context.step(Work())
        return object()

    failure = Engine().failure(function)
    assert failure.type == "NotJson"
    assert failure.message == "the result cannot be stored: Type is not JSON serializable: object"


def test_a_fence_ends_a_function_behind_its_back() -> None:
    """When the claim is lost `finally` runs, `except` does not, and nothing more is stored."""
    seen: list[str] = []

    def function(context: Context, _: Any) -> Workflow[None]:
        try:
            yield context.step(Work(), name="first")
            yield context.step(Work(), name="second")
        except Exception:  # noqa: BLE001 - it must not see the fence
            seen.append("except")
        finally:
            seen.append("finally")
        seen.append("after")

    fenced = Fenced("job")
    engine = Engine(interrupt=lambda id: fenced if id.endswith("2") else None)
    with pytest.raises(Fenced) as caught:
        engine.run(function)

    assert caught.value is fenced
    assert seen == ["finally"]
    assert len(engine.stored) == 1


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (RuntimeError("from the SDK"), Failure("RuntimeError", "from the SDK")),
        (Exception({"type": "E", "message": "m", "attempts": 2}), Failure("E", "m", None, 2)),
        (Exception({"type": "E"}), Failure("Exception", "{'type': 'E'}")),
        (Exception(None), Failure("Exception", "None")),
        (Exception(), Failure("Exception", "")),
    ],
)
def test_whatever_comes_at_a_yield_is_a_failed_step(error: Exception, failure: Failure) -> None:
    """A timeout or a cancellation in the SDK's own words can be caught like any failed step."""
    seen: list[Failure] = []

    def function(context: Context, _: Any) -> Workflow[None]:
        try:
            yield context.step(Work())
        except StepFailed as failed:
            seen.append(failed.failure)

    Engine(interrupt=lambda _: error).run(function)

    assert seen == [failure]
