"""Executions in the words of the API, made from the promises that the server stores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.resonate import tags as tag
from shared.resonate.codec import (
    TIMED_OUT,
    Call,
    Failure,
    decode_call,
    decode_cancellation,
    decode_rejection,
    decode_result,
)
from shared.resonate.states import STATUS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.model.activity import Activity
    from gateway.model.steps import StepState
    from gateway.model.stored_promise import StoredPromise


@dataclass(frozen=True)
class NewExecution:
    """What a client asks for. `fingerprint` is a hash of function and input.

    `callback` is the URL to notify of the end, `trace_id` the trace that the request belongs to.
    """

    id: str
    function: str
    version: int
    input_json: str
    fingerprint: str
    timeout_seconds: int
    delay_seconds: int = 0
    callback: str | None = None
    trace_id: str | None = None


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution at one moment; times are milliseconds since the epoch.

    A resolved one has `result_json`, one that ended otherwise `error`. `activity` is None until a
    worker has created something for the execution. A `partial` execution was read without it.
    `steps` are empty unless they were asked for.
    """

    id: str
    status: str
    call: Call
    created_at: int
    timeout_at: int
    completed_at: int | None = None
    starts_at: int | None = None
    result_json: str | None = None
    error: Failure | None = None
    activity: Activity | None = None
    steps: Sequence[StepState] = ()
    partial: bool = False

    @property
    def done(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self.status != "pending"

    def phase(self, now: float) -> str | None:
        """Return the phase at `now`, in seconds since the epoch.

        None once the execution has ended, or if its activity was not read.
        """
        if self.done or self.partial:
            return None
        if self.activity is not None and self.activity.recovering:
            return "recovering"
        if self.activity is not None and not self.activity.resumable:
            return "waiting" if self.activity.waiting_for else "running"
        return "scheduled" if now * 1000 < (self.starts_at or 0) else "queued"


def execution_of(promise: StoredPromise) -> Execution:
    """Return the execution that a promise stands for.

    Raises `ValueError` for a promise that is no execution of this service.
    """
    status = STATUS[promise.state]
    return Execution(
        id=promise.id,
        status=status,
        call=decode_call(promise.param),
        created_at=promise.created_on,
        timeout_at=promise.timeout,
        completed_at=promise.completed_on,
        starts_at=int(promise.tags[tag.DELAY]) if tag.DELAY in promise.tags else None,
        result_json=decode_result(promise.value) if status == "resolved" else None,
        error=_error(status, promise.value),
    )


def _error(status: str, value: str | None) -> Failure | None:
    """Return why an execution of this status has no result, None if it has one or is pending."""
    match status:
        case "rejected":
            return decode_rejection(value)
        case "canceled":
            return decode_cancellation(value)
        case "timedout":
            return TIMED_OUT
        case _:
            return None
