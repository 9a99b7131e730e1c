"""What a step raises: which errors are retried, and which end it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from durable_http import NonRetryableError, RetryPolicy
from shared.resonate.codec import Failure
from tests.support.worker.durable import AT_ONCE, FakeSdk, Work, one_step

if TYPE_CHECKING:
    from durable_http import Context, Workflow


class Rude(Exception):
    """An error whose `__repr__` raises."""

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
def test_some_errors_are_never_retried(error: BaseException, type: str) -> None:
    """A non-retryable error, or `SystemExit`, ends a step at its first attempt."""
    work = Work([error])
    retry = RetryPolicy(
        max_attempts=3, initial_interval=0, max_interval=0, non_retryable=(LookupError,)
    )

    failure = FakeSdk().failure(one_step(work, retry=retry))

    assert failure == Failure(type, "no", "work", 1)
    assert len(work.seen) == 1


@pytest.mark.parametrize(
    "error", [TypeError("of a library"), ValueError("bad \udce9 name"), Rude()]
)
def test_any_other_error_is_retried(error: Exception) -> None:
    """An ordinary error is retried, whatever its class, its text and its `__repr__`."""
    work = Work([error], result="done")

    assert FakeSdk().run(one_step(work, retry=AT_ONCE)) == "done"


class Panic(BaseException):
    """What an extension raises when its own code has panicked."""

    def __str__(self) -> str:
        raise Panic

    __repr__ = __str__


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), asyncio.CancelledError(), GeneratorExit(), Panic()]
)
def test_whatever_a_step_raises_is_retried(production_logging: None, error: BaseException) -> None:
    """A step may raise what is no `Exception`; that is a failed attempt like any other."""
    work = Work([error, error])

    assert FakeSdk().run(one_step(work, retry=AT_ONCE)) == "done"
    failure = FakeSdk().failure(one_step(Work([error] * 3), retry=AT_ONCE))
    assert (failure.type, failure.attempts) == (type(error).__name__, 3)


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), asyncio.CancelledError(), GeneratorExit(), Panic()]
)
def test_whatever_a_body_raises_is_its_end(production_logging: None, error: BaseException) -> None:
    """A body may raise what is no `Exception`; the execution is rejected with it."""

    def function(context: Context, _: Any) -> Workflow[None]:
        yield context.step(Work())
        raise error

    assert FakeSdk().failure(function).type == type(error).__name__


def test_a_step_that_returns_too_much_is_not_repeated() -> None:
    """A result that is too large fails the step at once; the body may catch that."""
    work = Work(result="x" * 2_000_000)

    failure = FakeSdk().failure(one_step(work))

    assert (failure.type, failure.step, failure.attempts) == ("ResultTooLarge", "work", 1)
    assert failure.message.endswith("2000002 bytes of JSON; MAX_RESULT_BYTES allows 1048576")
    assert len(work.seen) == 1
