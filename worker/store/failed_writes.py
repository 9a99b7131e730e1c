"""What the failure of a write means to its claim and to its execution."""

from __future__ import annotations

from typing import Final

from shared.resonate.codec import Failure, clip
from shared.resonate.large_values import ValueLost
from shared.resonate.transport import PROMISE_EXISTS, Refused, Unanswered
from worker.tasks.claims import UNANSWERED

NOT_ENCODABLE: Final = (TypeError, ValueError, OverflowError, RecursionError)
"""Errors of a write that has not been sent: answers that cannot be read are `Unanswered`."""

EXPECTED: Final = (Unanswered, Refused, ValueLost)
"""Errors that are no fault of this program."""


def failure_for_all(id: str, error: Exception) -> Failure | None:
    """Return the failure of an execution whose write would fail on every worker, else None."""
    if isinstance(error, Refused) and (error.status == 400 or error.code == PROMISE_EXISTS):
        return Failure("StoreRefused", f"the server refused a write of this execution: {error}")
    if isinstance(error, ValueLost):
        return Failure("ValueLost", str(error))
    if isinstance(error, NOT_ENCODABLE):
        reason = f"{id} cannot be stored: {type(error).__name__}: {error}"
        return Failure("NotStorable", clip(reason))
    return None


def shown(error: Exception) -> str:
    """Return the error as the reason why the claim is given up."""
    if isinstance(error, Unanswered):
        return f"{UNANSWERED}: {error}"
    return str(error) if isinstance(error, EXPECTED) else repr(error)
