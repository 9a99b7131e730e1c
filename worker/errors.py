"""What a durable function can raise and meet.

Permanent       raise it in a step: trying again would not help
StepFailed      what the function sees when a step failed for good; catch it to compensate
Fenced          the execution is no longer this worker's; functions never see it
"""

from __future__ import annotations

from shared.codec import Failure, clip


class Permanent(Exception):
    """Raise this, or a class derived from it, in a step that must not be tried again."""


class StepFailed(Exception):
    """A step or a child execution ended without a result; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class StepTimeout(Exception):
    """A step did not end within its timeout."""


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
