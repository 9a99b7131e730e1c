"""Steps: attempts, results as JSON, failures as data."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from shared.resonate.codec import Failure
from tests.support.durable import AT_ONCE, Engine, Work, one_step
from worker.durable.retry import RetryPolicy
from worker.durable.steps import Encoded, Step, StepEncoder
from worker.errors import Fenced, NonRetryableError, Rejection, StepTimeout

if TYPE_CHECKING:
    from worker.durable.context import Context, Workflow
    from worker.durable.steps import Step


def test_a_step_is_told_about_itself() -> None:
    """A step knows its execution, its name, its try and a key that is the same for every try."""
    work = Work([ValueError("1"), ValueError("2")])
    engine = Engine()

    engine.run(one_step(work, retry=AT_ONCE))

    (key,) = {step.idempotency_key for step in work.seen}
    assert [(step.execution, step.name, step.attempt) for step in work.seen] == [
        ("job", "work", attempt) for attempt in (1, 2, 3)
    ]
    assert list(engine.stored) == [key]


def test_a_step_that_recovers_is_not_a_failure() -> None:
    """Tries that fail cost their pauses and no more."""
    work = Work([ValueError("1"), OSError("2")], result={"a": 1})
    engine = Engine()

    result = engine.run(
        one_step(work, retry=RetryPolicy(max_attempts=3, initial_interval=0.1, max_interval=0.1))
    )

    assert result == {"a": 1}
    assert len(engine.pauses) == 2
    assert all(0.05 <= pause <= 0.1 for pause in engine.pauses)


def test_a_step_is_given_up() -> None:
    """After its last try a step has failed: the failure names it, the last error and the tries."""
    work = Work([ValueError("1"), OSError("2"), KeyError("3"), ValueError("never raised")])

    failure = Engine().failure(one_step(work, retry=AT_ONCE))

    assert failure == Failure("KeyError", "'3'", "work", 3)
    assert len(work.seen) == 3


def test_a_step_has_five_tries_by_default() -> None:
    """Unless it says otherwise, a step is tried five times, with growing pauses."""
    work = Work([ValueError(str(number)) for number in range(9)])
    engine = Engine()

    failure = engine.failure(one_step(work))

    assert failure == Failure("ValueError", "4", "work", 5)
    for pause, longest in zip(engine.pauses, (0.2, 0.4, 0.8, 1.6), strict=True):
        assert longest / 2 <= pause <= longest


class Rude(Exception):
    """An error that cannot be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("not today")


class Declined(NonRetryableError):
    """A permanent error of a user's own."""


class Missing(LookupError):
    """An error that a step's policy names."""


@pytest.mark.parametrize(
    ("error", "type"),
    [
        (NonRetryableError("no"), "NonRetryableError"),
        (Declined("no"), "Declined"),
        (Missing("no"), "Missing"),
        (SystemExit("no"), "SystemExit"),
    ],
)
def test_some_errors_are_never_tried_again(error: BaseException, type: str) -> None:
    """An error that is permanent, named by the policy or the end of the process is the last."""
    work = Work([error])
    retry = RetryPolicy(
        max_attempts=3, initial_interval=0, max_interval=0, non_retryable=(LookupError,)
    )

    failure = Engine().failure(one_step(work, retry=retry))

    assert failure == Failure(type, "no", "work", 1)
    assert len(work.seen) == 1


@pytest.mark.parametrize(
    "error", [TypeError("of a library"), ValueError("bad \udce9 name"), Rude()]
)
def test_any_other_error_is_tried_again(error: Exception) -> None:
    """An ordinary error may pass, whatever its class, its text and its `__repr__` are like."""
    work = Work([error], result="done")

    assert Engine().run(one_step(work, retry=AT_ONCE)) == "done"


@pytest.mark.parametrize("result", [object(), {1, 2}, {1: 2}, 2**64, b"x", "\ud800"])
def test_a_result_that_is_no_json_fails_the_step(result: object) -> None:
    """What cannot be stored is a failure at once: the step would return the same again."""
    work = Work(result=result)

    failure = Engine().failure(one_step(work, retry=AT_ONCE))

    assert (failure.step, failure.attempts, len(work.seen)) == ("work", 1, 1)


@pytest.mark.parametrize(
    ("result", "sent"),
    [
        (None, None),
        (False, False),
        ((1, 2), [1, 2]),
        (2**64 - 1, 2**64 - 1),
        ({"type": "E", "message": "m"}, {"type": "E", "message": "m"}),
        ({"__error__": "x"}, {"__error__": "x"}),
        ({"py/object": "os.system"}, {"py/object": "os.system"}),
        (math.nan, None),
        ("é😀", "é😀"),
    ],
)
def test_a_result_is_json_and_nothing_else(result: object, sent: object) -> None:
    """A result arrives as JSON has it, and no value is taken for a failure or for an object."""
    assert Engine().run(one_step(Work(result=result))) == sent


def test_a_timeout_is_a_failed_try() -> None:
    """A try that takes longer than it may has failed, and the next one may be in time."""
    tries: list[int] = []
    second = threading.Event()

    def slow_once(step: Step) -> int:
        tries.append(step.attempt)
        if step.attempt == 1:
            assert second.wait(10)
        second.set()
        return step.attempt

    def function(context: Context, _: Any) -> Workflow[int]:
        result: int = yield context.step(slow_once, timeout=0.1, retry=AT_ONCE)
        return result

    assert Engine().run(function) == 2
    assert tries == [1, 2]


def test_a_step_that_is_always_late_fails() -> None:
    """When every try takes too long, the failure says so."""
    work = Work([StepTimeout("not done within 1 s")] * 3)

    assert Engine().failure(one_step(work, retry=AT_ONCE)) == Failure(
        "StepTimeout", "not done within 1 s", "work", 3
    )


def test_a_step_of_a_lost_claim_is_not_started() -> None:
    """Without its lease a step does not run, is not tried again and stores nothing."""
    work = Work()
    engine = Engine(lease_seconds=0)

    with pytest.raises(Fenced):
        engine.run(one_step(work, retry=AT_ONCE))

    assert (work.seen, engine.stored, engine.pauses) == ([], {}, [])
    assert engine.claim.lost == "the lease ran out"


def test_a_claim_lost_between_two_tries_ends_the_step() -> None:
    """A step that failed is not tried again for an execution that somebody else has by now."""
    engine = Engine()
    tries: list[int] = []

    def losing(step: Step) -> None:
        tries.append(step.attempt)
        engine.claim.lost = "fenced off"
        raise ValueError("try again")

    def function(context: Context, _: Any) -> Workflow[None]:
        yield context.step(losing, retry=AT_ONCE)

    with pytest.raises(Fenced):
        engine.run(function)

    assert (tries, engine.stored) == ([1], {})


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (Encoded('{"a":1}'), '{"a":1}'),
        (Rejection('{"type":"E"}'), '{"type":"E"}'),
        (ValueError("no"), '{"type":"ValueError","message":"no"}'),
        ("text", '"text"'),
        (None, "null"),
    ],
)
def test_a_step_is_stored_as_json(value: object, stored: str) -> None:
    """Results and failures are stored as plain JSON that any reader understands."""
    encoder = StepEncoder()

    assert encoder.encode(value) == stored
    assert encoder.decode(stored) == orjson.loads(stored)


def test_nothing_stored_is_nothing() -> None:
    """A promise without a value decodes to nothing."""
    assert StepEncoder().decode(None) is None
