"""`run`: what a test sees of a function that has run in memory."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from durable_http import Context, NotJson, ResultTooLarge, function
from durable_http.commands import NOT_BEGUN, Await, BeginStep
from durable_http.testing import TooManyParts, Unfinished, after, run

if TYPE_CHECKING:
    from durable_http import Step, Workflow

DAY = 86400.0


def charge(step: Step, total: int) -> str:
    """Charge a total."""
    step.log.info("charged", total=total)
    return f"receipt for {total}"


@function
def order(context: Context, data: Any) -> Workflow[Any]:
    """Charge an order that is approved."""
    yield context.progress(0, 2)
    if not (yield context.signal("approval", timeout=3 * DAY)):
        return {"refused": True}
    receipt = yield context.step(charge, data["total"])
    yield context.sleep(timedelta(days=3))
    yield context.progress(2, 2)
    return {"receipt": receipt}


@function
def greet(step: Step, name: str = "you") -> str:
    """Greet somebody."""
    return f"{step.execution}: hello {name}"


@function(timeout=60)
def patient(context: Context) -> Workflow[str]:
    """Wait longer than the execution may."""
    try:
        yield context.sleep(100)
    except Exception:  # noqa: BLE001 - must not run
        return "caught"
    return "slept"


def test_a_run_returns_the_result() -> None:
    """A test sees the result, the steps, the progress, the log and the virtual time."""
    outcome = run(order, {"total": 5}, signals={"approval": [after(DAY, value=True)]})

    assert outcome.status == "resolved"
    assert outcome.result == outcome.json == {"receipt": "receipt for 5"}
    assert outcome.error is None
    assert (outcome.clock, outcome.slept) == (4 * DAY, 3 * DAY)
    assert outcome.progress == ((0, 2), (2, 2))
    step = outcome.step("charge")
    assert outcome.steps == (step,)
    assert (step.number, step.idempotency_key, step.attempts) == (3, "test-1.3", 1)
    assert (step.arguments, step.result, step.error) == ((5,), "receipt for 5", None)
    assert [(line.level, line.event, line.fields, line.step) for line in outcome.log] == [
        ("info", "charged", {"total": 5}, "charge")
    ]
    assert outcome.history.parts == (
        "progress",
        "signal approval",
        "step charge",
        "sleep",
        "progress",
    )


def test_waits_take_no_time() -> None:
    """A wait of days is over at once."""
    began = time.perf_counter()
    outcome = run(order, {"total": 5}, signals={"approval": [after(2 * DAY, value=True)]})

    assert outcome.clock == 5 * DAY
    assert time.perf_counter() - began < 5


def test_a_body_runs_again_after_each_wait() -> None:
    """A body runs from its first line: after the signal, after the sleep, and once at the end."""
    assert run(order, {"total": 5}, signals={"approval": [after(1, value=True)]}).runs == 4
    assert run(order, {"total": 5}, signals={"approval": [True]}).runs == 3


def test_a_plain_function_is_one_step() -> None:
    """A plain function runs as the only step, and has its default input."""
    outcome = run(greet, "Ada", id="greeting")

    assert outcome.result == "greeting: hello Ada"
    assert outcome.step("greet").idempotency_key == "greeting.1"
    assert run(greet).result == "test-1: hello you"


def test_the_input_is_json() -> None:
    """A function gets what JSON keeps of its input; what is not JSON is refused."""

    @function
    def given(context: Context, data: Any) -> Workflow[Any]:
        yield context.progress(1, 1)
        return [data, type(data[0]).__name__]

    assert run(given, [(1, 2)]).result == [[[1, 2]], "list"]
    with pytest.raises(NotJson, match="the input cannot be stored"):
        run(given, {1, 2})


def test_a_result_is_json() -> None:
    """A result that is not JSON, or too large, is a failure as in production."""

    @function
    def returning(context: Context, size: int) -> Workflow[Any]:
        yield context.progress(1, 1)
        return {1} if size == 0 else "x" * size

    assert isinstance(run(returning, 0).error, NotJson)
    assert isinstance(run(returning, 100, max_result_bytes=50).error, ResultTooLarge)
    assert run(returning, 40, max_result_bytes=50).result == "x" * 40


def test_a_failure_is_raised_by_the_result() -> None:
    """The error that a body raises is what the outcome has and what its result raises."""
    error = KeyError("total")

    @function
    def failing(context: Context) -> Workflow[None]:
        yield context.progress(1, 1)
        raise error

    outcome = run(failing)

    assert outcome.status == "rejected"
    assert outcome.error is error
    with pytest.raises(KeyError, match="total"):
        _ = outcome.result


def test_what_is_no_command_raises_in_the_body() -> None:
    """A body that yields something else sees `TypeError` at its line."""

    @function
    def confused(context: Context) -> Workflow[Any]:
        try:
            yield 5  # type: ignore[misc]
        except TypeError as error:
            return str(error)

    assert run(confused).result == "yield what the context makes, not int"


def test_time_can_run_out() -> None:
    """An execution whose time is over ends without its `except` blocks."""
    outcome = run(patient)

    assert (outcome.status, outcome.clock) == ("timed out", 60)
    with pytest.raises(Unfinished, match="the time of test-1 was over"):
        _ = outcome.result
    assert run(patient, timeout=200).result == "slept"


def test_a_canceled_execution_ends() -> None:
    """A canceled execution runs no more: its `finally` blocks ran when it began to wait."""
    ran: list[str] = []

    @function
    def cleaning(context: Context) -> Workflow[None]:
        try:
            yield context.sleep(100)
        except BaseException:
            ran.append("except")
            raise
        finally:
            ran.append("finally")

    outcome = run(cleaning, cancel_at=timedelta(seconds=30))

    assert (outcome.status, outcome.clock) == ("canceled", 30)
    assert ran[-1] == "finally"
    with pytest.raises(Unfinished, match="canceled"):
        _ = outcome.result


def test_a_canceled_execution_does_not_go_on_retrying() -> None:
    """A client can cancel while a step pauses; then the body is closed."""
    ran: list[str] = []

    @function
    def retried(context: Context) -> Workflow[None]:
        try:
            yield context.step(charge, 1)
        finally:
            ran.append("finally")

    outcome = run(retried, steps={charge: ValueError("no")}, cancel_at=0.3)

    assert outcome.status == "canceled"
    assert outcome.step("charge").attempts == 2
    assert ran == ["finally"]


def test_what_finally_raises_is_logged() -> None:
    """Nobody waits for what a `finally` raises while the execution is set aside."""

    @function
    def untidy(context: Context) -> Workflow[str]:
        done = False
        try:
            yield context.sleep(1)
            done = True
        finally:
            if not done:
                raise ValueError("not yet")
        return "done"

    outcome = run(untidy)

    assert outcome.result == "done"
    assert [(line.event, line.step) for line in outcome.log] == [("finally failed", None)]


def test_endless_functions_are_found() -> None:
    """A function that never ends fails with the limit that it has reached."""

    @function
    def endless(context: Context, waits: bool) -> Workflow[None]:  # noqa: FBT001 - an input
        while True:
            yield context.sleep(1) if waits else context.progress(1, 1)

    with pytest.raises(TooManyParts, match=r"test-1 has more than 200 parts.*most_parts="):
        run(endless, input=False, most_parts=200)
    with pytest.raises(TooManyParts, match=r"has run 20 times from its first line.*most_runs="):
        run(endless, input=True, most_runs=20)


def test_unknown_options_are_refused() -> None:
    """A misspelt option is an error, not ignored."""
    with pytest.raises(TypeError, match="there is no step; see Scenario"):
        run(greet, step={})  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="charge is no durable function"):
        run(charge)


def test_keyboard_interrupts_end_the_test() -> None:
    """Who interrupts a test gets through, in a step and in a body."""

    @function
    def interrupted(context: Context) -> Workflow[None]:
        try:
            yield context.step(charge, 1)
        finally:
            pass

    with pytest.raises(KeyboardInterrupt):
        run(interrupted, steps={charge: KeyboardInterrupt()})


def test_a_step_of_another_execution_is_not_waited_for() -> None:
    """What was begun elsewhere has a number that means something else here, as with workers."""
    elsewhere = BeginStep(Context("other").step(lambda _: 1))

    @function(name="waits-for-another")
    def waits(context: Context) -> Workflow[str]:
        yield context.begin_step(lambda _: 1, name="own")
        try:
            yield Await(1, elsewhere)
        except TypeError as error:
            return str(error)
        return "waited"

    assert run(waits).result == NOT_BEGUN
