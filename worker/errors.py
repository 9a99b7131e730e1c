"""What a durable function can raise and meet.

NonRetryableError       raise it in a step: trying again would not help
└── NotJson     what a step or a function returned cannot be stored
TimedOut        what the function sees when a signal did not come in time; a StepFailed
StepFailed      what the function sees when a step failed for good; catch it to compensate
Fenced          the execution is no longer this worker's; functions never see it
"""

from __future__ import annotations

from typing import Any

import orjson

from shared.resonate.codec import Failure, clip


class NonRetryableError(Exception):
    """Raise this, or a class derived from it, in a step that must not be tried again."""


class NotJson(NonRetryableError):
    """A result that cannot be JSON: trying again would not help."""


class StepFailed(Exception):
    """A step or a child execution ended without a result; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class StepTimeout(Exception):
    """A step did not end within its timeout."""


class TimedOut(StepFailed):
    """What was waited for did not come in time."""


class Fenced(Exception):
    """The claim is lost: nothing may be written and nothing more may be started for it."""


class Rejection(Exception):
    """Carries a failure, as JSON text, through the SDK to the store."""


def describe(
    error: BaseException, *, step: str | None = None, attempts: int | None = None
) -> Failure:
    """Return what to store about an exception; whatever its `__str__` does, this does not raise."""
    if isinstance(error, StepFailed):
        return error.failure
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - any exception class may be broken in any way
        message = "its message cannot be shown"
    return Failure(type(error).__name__, clip(message), step, attempts)


def shown(error: BaseException) -> str:
    """Return an exception for the log; whatever its `__repr__` does, this does not raise."""
    try:
        return clip(repr(error))
    except Exception:  # noqa: BLE001 - as above
        return type(error).__name__


def json_of(result: Any) -> str:
    """Return a result as JSON text, or raise `NotJson`."""
    try:
        return orjson.dumps(result).decode()
    except TypeError as error:
        raise NotJson(f"the result cannot be stored: {error}") from error
