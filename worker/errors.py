"""Exceptions that a durable function can raise or see.

NonRetryableError   raise it in a step: another attempt would not help
├── NotJson         the result of a step or of a function cannot be stored
└── ResultTooLarge  it has more bytes than may be stored
StepFailed          a step or a child has failed for good; catch it to compensate
└── TimedOut        a signal or a child did not come in time
StepTimeout         an attempt of a step took longer than its timeout
Fenced              the execution belongs to this worker no longer; functions never see it
Rejection           takes a failure through the SDK to the store; functions never see it
"""

from __future__ import annotations

from shared.resonate.codec import Failure, clip


class NonRetryableError(Exception):
    """Raise this, or a class derived from it, in a step that must not be retried."""


class NotJson(NonRetryableError):
    """A result that is not JSON; another attempt would return the same."""


class ResultTooLarge(NonRetryableError):
    """A result, or a child's input, of more than `MAX_RESULT_BYTES`."""


class StepFailed(Exception):
    """A step or a child execution ended without a result; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class StepTimeout(Exception):
    """An attempt of a step took longer than its timeout."""


class TimedOut(StepFailed):
    """A signal or a child did not come in time."""


class Fenced(Exception):
    """The claim is lost: nothing more may be written or started for its execution."""


class Rejection(Exception):
    """Carries a failure, as JSON text, through the SDK to the store."""


def describe(
    error: BaseException, *, step: str | None = None, attempts: int | None = None
) -> Failure:
    """Return the failure to store for an exception. Never raises, even if `__str__` does."""
    if isinstance(error, StepFailed):
        return error.failure
    try:
        message = str(error)
    except BaseException:  # noqa: BLE001 - a user's class may raise anything
        message = "its message cannot be shown"
    return Failure(clip(type(error).__name__), clip(message), step, attempts)


def shown(error: BaseException) -> str:
    """Return the text of an exception for the log. Never raises, even if `__repr__` does."""
    try:
        return clip(repr(error))
    except BaseException:  # noqa: BLE001 - as above
        return type(error).__name__
