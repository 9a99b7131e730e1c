"""The errors that a durable function sees."""

from __future__ import annotations

import copy
import pickle

import pytest

from durable_http import (
    NonRetryableError,
    NotJson,
    ResultTooLarge,
    StepFailed,
    StepTimeout,
    TimedOut,
    WrongResult,
)


def test_a_failed_step_says_what_has_failed() -> None:
    """Type, message, step and attempts are as they were stored; its text is the message."""
    failed = StepFailed("no", type="Declined", step="charge", attempts=3)

    assert str(failed) == failed.message == "no"
    assert (failed.type, failed.step, failed.attempts) == ("Declined", "charge", 3)


def test_what_is_not_known_of_a_failure_is_none() -> None:
    """A function may raise a failure of its own, which has no step."""
    failed = StepFailed("no")

    assert (failed.type, failed.step, failed.attempts) == ("StepFailed", None, None)


def test_what_does_not_come_in_time_is_a_failed_step() -> None:
    """Who catches `StepFailed` catches `TimedOut`, whose type says which it is."""
    error = TimedOut()

    assert isinstance(error, StepFailed)
    assert (error.type, str(error)) == (
        "TimedOut",
        "the signal or the child did not come in time",
    )


@pytest.mark.parametrize("type", [NotJson, ResultTooLarge, WrongResult])
def test_a_wrong_result_is_not_tried_again(type: type[Exception]) -> None:
    """Another attempt would return the same."""
    assert issubclass(type, NonRetryableError)


def test_a_late_attempt_is_tried_again() -> None:
    """The next attempt may be in time."""
    assert not issubclass(StepTimeout, NonRetryableError)


@pytest.mark.parametrize("error", [StepFailed("no", type="E", step="s", attempts=2), TimedOut()])
def test_a_failure_can_be_copied(error: StepFailed) -> None:
    """A failure may be a step's argument, which is copied, with all that it says."""
    for made in (copy.deepcopy(error), pickle.loads(pickle.dumps(error))):
        assert (made.type, made.message, made.step, made.attempts) == (
            error.type,
            error.message,
            error.step,
            error.attempts,
        )
