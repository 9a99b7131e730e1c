"""Steps in tests: real, replaced, failing and tried again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from durable_http import NonRetryableError, RetryPolicy, StepFailed, StepTimeout, function
from durable_http.testing import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from durable_http import Context, Step, Workflow


class Declined(NonRetryableError):
    """Another attempt would not help."""


def charge(step: Step, total: Any) -> Any:
    """Charge a total."""
    return f"charged {total}"


@function
def payment(context: Context, total: Any) -> Workflow[Any]:
    """Charge once; a failure is the result."""
    try:
        return (yield context.step(charge, total))
    except StepFailed as error:
        return [error.type, error.message, error.step, error.attempts]


def test_a_step_runs_for_real() -> None:
    """What is not replaced is called."""
    assert run(payment, 5).result == "charged 5"


@pytest.mark.parametrize("target", [charge, "charge"], ids=["function", "name"])
def test_a_step_is_replaced(target: str | Callable[..., Any]) -> None:
    """By its function or its name, with a callable or with a value, None included."""
    seen: list[tuple[str, int, Any]] = []

    def fake(step: Step, total: Any) -> str:
        seen.append((step.idempotency_key, step.attempt, total))
        return "fake"

    assert run(payment, 5, steps={target: fake}).result == "fake"
    assert seen == [("test-1.1", 1, 5)]
    assert run(payment, 5, steps={target: {"id": 7}}).result == {"id": 7}
    assert run(payment, 5, steps={target: None}).result is None


def test_attempts_fail_as_a_test_says() -> None:
    """The first attempts fail, then the step goes on as usual; the pauses pass in virtual time."""
    outcome = run(payment, 5, fail={charge: [StepTimeout("slow"), ValueError]})

    assert outcome.result == "charged 5"
    assert outcome.step("charge").attempts == 3
    assert outcome.clock == pytest.approx(0.2 + 0.4)


def test_a_step_fails_for_good() -> None:
    """After the last attempt the `yield` raises `StepFailed`."""
    outcome = run(payment, 5, steps={charge: ValueError("down")})

    assert outcome.result == ["ValueError", "down", "charge", 5]
    error = outcome.step("charge").error
    assert isinstance(error, StepFailed)
    assert (error.type, error.attempts) == ("ValueError", 5)


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (Declined("no"), ["Declined", "no", "charge", 1]),
        (SystemExit(3), ["SystemExit", "3", "charge", 1]),
        (asyncio.CancelledError("x"), ["CancelledError", "x", "charge", 5]),
        (StepTimeout("slow"), ["StepTimeout", "slow", "charge", 5]),
    ],
)
def test_what_is_retried(error: BaseException, result: list[Any]) -> None:
    """Whatever a step raises is a failed attempt; some kinds are not tried again."""
    assert run(payment, 5, fail={"charge": [error] * 5}).result == result


def test_the_policies_of_steps_hold() -> None:
    """A step has its own policy, else its function's."""

    @function(retry=RetryPolicy(max_attempts=2, initial_interval=10, max_interval=10))
    def patient(context: Context) -> Workflow[list[int | None]]:
        attempts = []
        for retry in (None, RetryPolicy(max_attempts=1), RetryPolicy(non_retryable=(KeyError,))):
            try:
                yield context.step(charge, 1, retry=retry)
            except StepFailed as error:
                attempts.append(error.attempts)
        return attempts

    outcome = run(patient, steps={charge: KeyError("x")})

    assert outcome.result == [2, 1, 1]
    assert outcome.clock == 10


def coroutine(step: Step, total: Any) -> Any:
    """Return what would have to be awaited."""

    async def work() -> int:
        return 1

    return work()


def generator(step: Step, total: Any) -> Any:
    """Return a generator."""
    yield total


@pytest.mark.parametrize(
    "returns",
    [coroutine, generator, lambda *_: {1}, lambda *_: [float("nan")], lambda *_: object],
    ids=["coroutine", "generator", "set", "nan", "class"],
)
def test_what_is_not_json_fails(returns: Callable[..., Any]) -> None:
    """A step that returns what cannot be stored fails at its first attempt."""
    kind, message, step, attempts = run(payment, 5, steps={charge: returns}).result

    assert (kind, step, attempts) == ("NotJson", "charge", 1)
    assert message.startswith("the result cannot be stored")


def test_what_is_too_large_fails() -> None:
    """The limit of results holds for steps."""
    result = run(payment, 5, steps={charge: "x" * 99}, max_result_bytes=60).error

    assert type(result).__name__ == "ResultTooLarge"  # the failure as result is too large as well


def test_results_are_what_json_keeps() -> None:
    """Also in the first run a body gets what JSON has kept: a tuple is a list."""
    assert run(payment, 5, steps={charge: lambda *_: (1, (2,))}).result == [1, [2]]


def test_each_attempt_gets_its_own_arguments() -> None:
    """What a step does to its arguments reaches neither the next attempt nor the body."""
    seen: list[list[int]] = []

    def greedy(step: Step, items: list[int]) -> int:
        items.append(step.attempt)
        seen.append(list(items))
        if step.attempt < 3:
            raise ValueError
        return len(items)

    @function
    def sharing(context: Context) -> Workflow[Any]:
        items = [0]
        count = yield context.step(greedy, items)
        return [items, count]

    assert run(sharing).result == [[0], 2]
    assert seen == [[0, 1], [0, 2], [0, 3]]


def test_steps_run_beside_the_body() -> None:
    """A step that was begun runs beside a sleep; its pauses and the sleep pass at the same time."""

    @function
    def parallel(context: Context) -> Workflow[Any]:
        one = yield context.begin_step(charge, 1, name="one")
        two = yield context.begin_step(charge, 2, name="two")
        yield context.sleep(0.5)
        return [(yield two), (yield one)]

    outcome = run(parallel, fail={"one": [ValueError(), ValueError()], "two": [ValueError()]})

    assert outcome.result == ["charged 2", "charged 1"]
    assert outcome.clock == pytest.approx(0.6)
    assert [step.attempts for step in outcome.steps] == [3, 2]


def test_an_execution_ends_after_what_it_began() -> None:
    """A step that nobody waits for has its outcome before the execution ends."""

    @function
    def leaving(context: Context) -> Workflow[str]:
        yield context.begin_step(charge, 1)
        return "left"

    outcome = run(leaving, fail={charge: [ValueError()]})

    assert outcome.result == "left"
    assert outcome.clock == pytest.approx(0.2)
    assert outcome.step("charge").result == "charged 1"
    assert outcome.runs == 2  # it waited in place, and ran once more at the end


def test_a_failed_assertion_of_a_fake_is_a_failed_attempt() -> None:
    """A fake is a step: what it raises is in the outcome."""

    def fake(step: Step, total: int) -> None:
        raise AssertionError(f"charged {total}")

    outcome = run(payment, 5, steps={charge: fake})

    assert outcome.result[:2] == ["AssertionError", "charged 5"]


def test_only_one_step_has_a_name() -> None:
    """`step` finds a step by its name, and says which there are."""
    with pytest.raises(LookupError, match="0 steps are called ship; the steps are: charge"):
        run(payment, 5).step("ship")
