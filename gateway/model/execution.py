"""Executions in the words of the API, made from the promises that the server stores."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gateway.model.stored_promise import StoredPromise
from shared.resonate import tags as tag
from shared.resonate.causes import NO_CAUSE, Cause
from shared.resonate.codec import (
    TIMED_OUT,
    Failure,
    decode_call,
    decode_cancellation,
    decode_rejection,
    decode_result,
    stored_call,
    stored_result,
)
from shared.resonate.large_values import Reference
from shared.resonate.states import STATUS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.model.activity import Activity
    from gateway.model.steps import StepState
    from shared.resonate.large_values import Data


@dataclass(frozen=True)
class NewExecution:
    """What a client asks for. `fingerprint` is a hash of function and input.

    No other request has the same `mark`. `cause` has the request's id if it is not the mark, and
    the span that begins the execution. `callback` is the URL to notify of the end.
    """

    id: str
    function: str
    version: int
    input_json: str
    fingerprint: str
    timeout_seconds: int
    delay_seconds: int
    mark: str
    cause: Cause = NO_CAUSE
    callback: str | None = None


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution at one moment; times are milliseconds since the epoch.

    A resolved one has a `result`, one that ended otherwise an `error`. `input` and `result` are
    JSON, or where it is, if it is large. `version` is that of the function; None where it stands
    only in a large input, as older gateways stored it. `activity` is None until a worker has
    created something for the execution. A `partial` execution was read without it. `steps` are
    empty unless they were asked for.
    """

    id: str
    status: str
    function: str
    input: Data
    created_at: int
    timeout_at: int
    version: int | None = None
    completed_at: int | None = None
    starts_at: int | None = None
    result: Data | None = None
    error: Failure | None = None
    only_step: StoredPromise | None = None
    """The step of a plain function that was so quick that it is stored with its execution's end."""

    activity: Activity | None = None
    steps: Sequence[StepState] = ()
    partial: bool = False

    @property
    def done(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self.status != "pending"

    def large_values(self, *, with_input: bool) -> list[Reference]:
        """Return where the result is, and the input if it is wanted, as far as they are large."""
        values = [self.result, self.input if with_input else None]
        return [value for value in values if isinstance(value, Reference)]

    def by_digest(self) -> Execution:
        """Return the execution with the digest of each large value, as JSON, for the value.

        What is made of it is equal only where what is made of the values is equal.
        """
        return replace(self, input=_digest(self.input), result=_digest(self.result))

    def phase(self, now: float) -> str | None:
        """Return the phase at `now`, in seconds since the epoch.

        None once the execution has ended, or if its activity would be needed and was not read.
        """
        scheduled = self.activity is None and now * 1000 < (self.starts_at or 0)
        if self.done or (self.partial and not scheduled):
            return None
        if self.activity is not None and self.activity.recovering:
            return "recovering"
        if self.activity is not None and not self.activity.resumable:
            return self.activity.phase
        return "scheduled" if scheduled else "queued"


def execution_of(promise: StoredPromise) -> Execution:
    """Return the execution that a promise stands for.

    Raises `ValueError` for a promise that is no execution of this service.
    """
    status = STATUS[promise.state]
    function, version, input = _call(promise)
    return Execution(
        id=promise.id,
        status=status,
        function=function,
        input=input,
        created_at=promise.created_on,
        timeout_at=promise.timeout,
        version=version,
        completed_at=promise.completed_on,
        starts_at=int(promise.tags[tag.DELAY]) if tag.DELAY in promise.tags else None,
        result=_result(promise.value) if status == "resolved" else None,
        error=_error(status, promise.value),
        only_step=_only_step(promise),
    )


def with_values(
    execution: Execution, read: Callable[[Reference], bytes], *, with_input: bool
) -> Execution:
    """Return the execution with its large values, which `read` returns as they are stored.

    Raises `ValueError` for a value that is not of this service.
    """
    input, result = execution.input, execution.result
    if with_input and isinstance(input, Reference):
        input = stored_call(read(input)).input_json
    if isinstance(result, Reference):
        result = stored_result(read(result))
    return replace(execution, input=input, result=result)


def _only_step(promise: StoredPromise) -> StoredPromise | None:
    """Return the step that is stored with the execution's end, as if it had a promise."""
    notes, ended = promise.notes, promise.completed_on
    if ended is None or not {tag.STEP, tag.WORKER, tag.STARTED} <= notes.keys():
        return None
    # The worker's clock may differ a little from the server's.
    started = min(max(int(notes[tag.STARTED]), promise.created_on), ended)
    return StoredPromise(
        id=f"{promise.id}.1",
        state=promise.state,
        created_on=started,
        completed_on=ended,
        timeout=promise.timeout,
        tags={tag.STEP: notes[tag.STEP], tag.WORKER: notes[tag.WORKER]},
    )


def _call(promise: StoredPromise) -> tuple[str, int | None, Data]:
    """Return the name of the function, its version if that is known, and the input."""
    if isinstance(promise.param, Reference):
        if tag.FUNCTION not in promise.tags:
            raise ValueError("not an invocation of this service")
        version = promise.tags.get(tag.VERSION)
        return promise.tags[tag.FUNCTION], int(version) if version else None, promise.param
    call = decode_call(promise.param)
    return call.function, call.version, call.input_json


def _result(value: Data | None) -> Data:
    return value if isinstance(value, Reference) else decode_result(value)


def _digest[T](data: T | Reference) -> T | str:
    return f'"{data.digest}"' if isinstance(data, Reference) else data


def _error(status: str, value: Data | None) -> Failure | None:
    """Return why an execution of this status has no result, None if it has one or is pending."""
    text = None if isinstance(value, Reference) else value  # only results are large
    match status:
        case "rejected":
            return decode_rejection(text)
        case "canceled":
            return decode_cancellation(text)
        case "timedout":
            return TIMED_OUT
        case _:
            return None
