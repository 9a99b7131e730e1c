"""Bodies of durable functions: how they are run again, fail and are fenced off."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest

from durable_http import NonRetryableError, StepFailed
from durable_http.declarations.definition import define
from shared.resonate.codec import Failure
from tests.support.worker.durable import FakeSdk, Work
from worker.durable.driver import durable
from worker.errors import Fenced, Rejection

if TYPE_CHECKING:
    from durable_http import Context, Step, Workflow


class Declined(NonRetryableError):
    """A permanent error of a user's own."""


def test_an_execution_is_a_generator() -> None:
    """The SDK takes a wrapped function, even a plain one, for a function with steps."""
    assert inspect.isgeneratorfunction(durable(define(lambda step: step.name, name="plain")))


def test_a_plain_function_is_one_step() -> None:
    """A plain function runs as the only step, under the name that it is declared with."""
    sdk = FakeSdk()

    def plain(step: Step, value: Any) -> list[Any]:
        return [step.name, step.attempt, value]

    assert sdk.run(plain, {"a": 1}) == ["tested", 1, {"a": 1}]
    assert sdk.names == ["tested"]


@pytest.mark.parametrize("value", [None, 0, "", [], {"py/object": "x"}, "é", 2**64 - 1, -0.5])
def test_the_input_arrives(value: object) -> None:
    """The function is called with the client's input."""

    def function(context: Context, data: Any) -> Workflow[Any]:
        return [data, (yield context.step(Work(result=data)))]

    assert FakeSdk().run(function, value) == [value, value]


def test_finished_steps_are_not_repeated() -> None:
    """A function that is run again is sent the stored outcomes of its steps."""
    first, second, third = Work(result=1), Work([NonRetryableError("no")]), Work(result=3)

    def function(context: Context, _: Any) -> Workflow[list[object]]:
        got: list[object] = [(yield context.step(first))]
        try:
            yield context.step(second, name="second")
        except StepFailed as error:
            got.append(error.type)
        return [*got, (yield context.step(third))]

    sdk = FakeSdk()
    result = sdk.run(function)

    again = FakeSdk(sdk.stored)
    assert again.run(function) == result == [1, "NonRetryableError", 3]
    assert [len(work.seen) for work in (first, second, third)] == [1, 1, 1]


def test_a_failed_step_can_be_caught() -> None:
    """A failed step raises at its `yield`, and the function may catch that and go on."""
    sdk = FakeSdk()

    def function(context: Context, _: Any) -> Workflow[Any]:
        try:
            yield context.step(Work([Declined("no")]), name="work")
        except StepFailed as error:
            undone = yield context.step(Work(result="undone"))
            return [str(error), error.type, error.step, undone]

    assert sdk.run(function) == ["no", "Declined", "work", "undone"]
    assert [good for good, _ in sdk.stored.values()] == [False, True]


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (ValueError("no"), Failure("ValueError", "no")),
        (SystemExit(3), Failure("SystemExit", "3")),
        (StepFailed("m", type="E", step="s", attempts=2), Failure("E", "m", "s", 2)),
        (NonRetryableError("é" * 2000), Failure("NonRetryableError", "é" * 1022 + "…")),
    ],
)
def test_an_error_of_the_function_fails_the_execution(
    error: BaseException, failure: Failure
) -> None:
    """An error that a function raises is stored as the failure of its execution."""

    def function(context: Context, _: Any) -> Workflow[None]:
        yield context.step(Work())
        raise error

    assert FakeSdk().failure(function) == failure


def test_a_result_that_is_no_json_fails_the_execution() -> None:
    """A function whose result cannot be stored has failed, with a reason."""

    def function(context: Context, _: Any) -> Workflow[object]:
        yield context.step(Work())
        return object()

    failure = FakeSdk().failure(function)
    assert failure.type == "NotJson"
    assert failure.message == "the result cannot be stored: Type is not JSON serializable: object"


def test_a_fence_closes_the_body() -> None:
    """When the claim is lost, `finally` runs, `except` does not, and nothing more is stored."""
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
    sdk = FakeSdk(interrupt=lambda id: fenced if id.endswith("2") else None)
    with pytest.raises(Fenced) as caught:
        sdk.run(function)

    assert caught.value is fenced
    assert seen == ["finally"]
    assert len(sdk.stored) == 1


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("from the SDK"),
        Exception({"type": "E"}),
        Exception(None),
        Exception(),
    ],
)
def test_an_error_that_is_no_outcome_is_raised_as_it_is(error: Exception) -> None:
    """What the SDK raises at a `yield` and is no stored failure reaches the body unchanged."""
    seen: list[Exception] = []

    def function(context: Context, _: Any) -> Workflow[None]:
        try:
            yield context.step(Work())
        except Exception as failed:  # noqa: BLE001 - whatever it is
            seen.append(failed)

    FakeSdk(interrupt=lambda _: error).run(function)

    assert seen == [error]


def test_a_stored_failure_of_a_step_is_raised_as_such() -> None:
    """At the `yield` a failed step raises `StepFailed` with all that is stored of the failure."""
    stored = Rejection(Failure("E", "m", "s", 2).encode())
    seen: list[StepFailed] = []

    def function(context: Context, _: Any) -> Workflow[None]:
        try:
            yield context.step(Work())
        except StepFailed as failed:
            seen.append(failed)

    FakeSdk(interrupt=lambda _: stored).run(function)

    (failed,) = seen
    assert (failed.type, failed.message, str(failed)) == ("E", "m", "m")
    assert (failed.step, failed.attempts) == ("s", 2)
