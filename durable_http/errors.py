"""Exceptions that a durable function can raise or see.

NonRetryableError   raise it in a step: another attempt would not help
├── NotJson         a value cannot be stored, because JSON cannot say it
├── ResultTooLarge  it has more bytes than may be stored
└── WrongResult     a step has returned something else than its annotation says
StepFailed          a step or a child has failed for good; catch it to compensate
└── TimedOut        a signal or a child did not come in time
StepTimeout         an attempt of a step took longer than its timeout
DeclarationError    a function cannot be declared or loaded
"""

from __future__ import annotations


class NonRetryableError(Exception):
    """Raise this, or a class derived from it, in a step that must not be retried."""


class NotJson(NonRetryableError):
    """A value that is not JSON; another attempt would return the same."""


class ResultTooLarge(NonRetryableError):
    """A result, or a child's input, of more than `MAX_RESULT_BYTES`."""


class WrongResult(NonRetryableError):
    """A step's result that its annotation does not allow."""


class StepFailed(Exception):
    """A step or a child execution ended without a result.

    `type` is the name of the error's class, `step` the name of the step that failed, `attempts` how
    often it was tried; the last two are None where they are not known.
    """

    def __init__(
        self,
        message: str,
        *,
        type: str = "StepFailed",
        step: str | None = None,
        attempts: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.type = type
        self.step = step
        self.attempts = attempts


class TimedOut(StepFailed):
    """A signal or a child did not come in time."""

    def __init__(self, message: str = "the signal or the child did not come in time") -> None:
        super().__init__(message, type="TimedOut")


class StepTimeout(Exception):
    """An attempt of a step took longer than its timeout."""


class DeclarationError(Exception):
    """A function cannot be declared, or what is to be loaded has no such functions."""
