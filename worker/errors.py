"""Exceptions that pass through the SDK, and what is stored of those that users' code raises.

Fenced        the execution belongs to this worker no longer
Rejection     takes a failure through the SDK to the store
InvalidInput  the function does not take the input of the execution
"""

from __future__ import annotations

from durable_http.errors import StepFailed
from shared.resonate.codec import Failure, clip


class Fenced(Exception):
    """The claim is lost: nothing more may be written or started for its execution."""


class Rejection(Exception):
    """Carries a failure, as JSON text, through the SDK to the store."""


class InvalidInput(Exception):
    """The function does not take the input of the execution, which a parent has given."""


def describe(
    error: BaseException, *, step: str | None = None, attempts: int | None = None
) -> Failure:
    """Return the failure to store for an exception. Never raises, even if `__str__` does."""
    if isinstance(error, StepFailed):
        return Failure(clip(error.type), clip(error.message), error.step, error.attempts)
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
