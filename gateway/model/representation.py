"""Executions as the JSON bodies that clients get."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import UNSET, Raw, UnsetType

from gateway.model.bodies import (
    BegunBody,
    BlockedBody,
    DoneBody,
    ExecutionBody,
    FailureBody,
    ItemBody,
    LinksBody,
    ProgressBody,
    StepBody,
    WaitedForBody,
)
from shared.resonate.large_values import Reference

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.model.blocked import Blocked
    from gateway.model.execution import Execution
    from gateway.model.failed_tries import FailedTry
    from gateway.model.steps import StepState
    from shared.resonate.codec import Failure
    from shared.resonate.large_values import Data


def rfc3339(milliseconds: int) -> str:
    """Return a time as clients read it: UTC, to the millisecond."""
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def execution_body(
    execution: Execution,
    include: frozenset[str],
    now: float,
    queued_because: str | None = None,
) -> ExecutionBody:
    """Return the body of an answer of /wait at `now`, in seconds since the epoch.

    `include` may hold `input` and `steps`.
    """
    activity = execution.activity
    result, error = _outcome(execution)
    failed = _failed_try(execution)
    return ExecutionBody(
        status=execution.status,
        promise_id=execution.id,
        done=execution.done,
        result=result,
        error=error,
        function=execution.function,
        version=_if_any(execution.version),
        created_at=rfc3339(execution.created_at),
        completed_at=_time_if_any(execution.completed_at),
        timeout_at=rfc3339(execution.timeout_at),
        starts_at=_time_if_any(execution.starts_at),
        phase=_if_any(execution.phase(now)),
        worker=activity.worker if activity else UNSET,
        attempt=activity.attempt if activity else UNSET,
        recovered_from=_if_any(activity.recovered_from if activity else None),
        waiting_for=(waited_for_bodies(activity.waiting_for) if activity else []) or UNSET,
        blocked=_blocked(execution),
        queued_because=_if_any(queued_because),
        progress=_progress(execution),
        tries=failed.tries if failed else UNSET,
        last_error=last_error_body(failed) if failed else UNSET,
        next_try_at=_next_try_at(execution, now),
        input=json_of(execution.input) if "input" in include else UNSET,
        steps=[step_body(step) for step in execution.steps] if "steps" in include else UNSET,
    )


def begun_body(execution: Execution, *, created: bool) -> BegunBody:
    """Return the body of an answer of /begin; `created` if this request started the execution."""
    result, error = _outcome(execution)
    return BegunBody(
        promise=execution.id,
        status=execution.status,
        wait=f"/wait?id={execution.id}",
        created=created,
        done=execution.done,
        function=execution.function,
        version=_if_any(execution.version),
        timeout_at=rfc3339(execution.timeout_at),
        starts_at=_time_if_any(execution.starts_at),
        result=result,
        error=error,
        links=LinksBody(events=f"/events?id={execution.id}", cancel=f"/cancel?id={execution.id}"),
    )


def item_body(execution: Execution, now: float) -> ItemBody:
    """Return a row of /list at `now`, in seconds since the epoch.

    Phase, worker and attempt are null for an execution that has ended or was read without its
    activity.
    """
    activity = None if execution.done else execution.activity
    return ItemBody(
        id=execution.id,
        function=execution.function,
        version=execution.version,
        status=execution.status,
        phase=execution.phase(now),
        worker=activity.worker if activity else None,
        attempt=activity.attempt if activity else None,
        created_at=rfc3339(execution.created_at),
        completed_at=rfc3339(execution.completed_at) if execution.completed_at else None,
    )


def done_body(execution: Execution) -> DoneBody:
    """Return the data of the last event of an execution that has ended."""
    result, error = _outcome(execution)
    return DoneBody(
        promise_id=execution.id,
        status=execution.status,
        done=execution.done,
        result=result,
        error=error,
        completed_at=rfc3339(execution.completed_at) if execution.completed_at else None,
    )


def step_body(step: StepState) -> StepBody:
    """Return a step as /wait and /events show it."""
    return StepBody(
        name=step.name,
        status=step.status,
        worker=step.worker,
        started=rfc3339(step.started),
        ended=rfc3339(step.ended) if step.ended is not None else None,
        tries=step.failed_try.tries if step.failed_try else UNSET,
        last_error=last_error_body(step.failed_try) if step.failed_try else UNSET,
    )


def waited_for_bodies(waiting_for: Iterable[tuple[str, int]]) -> list[WaitedForBody]:
    """Return what an execution waits for."""
    return [WaitedForBody(name=name, since=rfc3339(since)) for name, since in waiting_for]


def blocked_body(blocked: Blocked) -> BlockedBody:
    """Return why no worker can go on with an execution yet."""
    return BlockedBody(
        expected=blocked.expected,
        found=blocked.found,
        worker=blocked.worker,
        version=_if_any(blocked.version),
    )


def _outcome(execution: Execution) -> tuple[Raw | UnsetType, FailureBody | UnsetType]:
    """Return the result and the error, of which an execution has one at most."""
    result, error = execution.result, execution.error
    return (
        UNSET if result is None else json_of(result),
        UNSET if error is None else failure_body(error),
    )


def json_of(data: Data) -> Raw:
    """Return data as a part of a body. Raises `TypeError` for a value that was not read."""
    if isinstance(data, Reference):
        raise TypeError("this value is to be read first")
    return Raw(data.encode())


def failure_body(failure: Failure) -> FailureBody:
    """Return why an execution ended without a result, as answers and problems show it."""
    return FailureBody(
        type=failure.type,
        message=failure.message,
        step=_if_any(failure.step),
        attempts=_if_any(failure.attempts),
        reason=_if_any(failure.reason),
    )


def last_error_body(failed: FailedTry) -> FailureBody:
    """Return how a step has failed that is tried again; `tries` stands beside it."""
    return failure_body(replace(failed.failure, attempts=None))


def _failed_try(execution: Execution) -> FailedTry | None:
    """Return the failed try of a pending execution whose step has not ended."""
    activity = execution.activity
    if activity is None or activity.resumable or execution.done:
        return None
    return activity.failed_try


def _next_try_at(execution: Execution, now: float) -> str | UnsetType:
    """Return the time of the next try while the step's worker waits for it."""
    failed = _failed_try(execution)
    if failed is None or execution.phase(now) != "retrying" or failed.next_try_at <= now * 1000:
        return UNSET
    return rfc3339(failed.next_try_at)


def _progress(execution: Execution) -> ProgressBody | UnsetType:
    activity = execution.activity
    if activity is None or activity.progress is None or execution.done:
        return UNSET
    done, total = activity.progress
    return ProgressBody(done=done, total=total, step=activity.step)


def _blocked(execution: Execution) -> BlockedBody | UnsetType:
    activity = execution.activity
    if activity is None or activity.blocked is None or execution.done:
        return UNSET
    return blocked_body(activity.blocked)


def _if_any[T](value: T | None) -> T | UnsetType:
    return UNSET if value is None else value


def _time_if_any(milliseconds: int | None) -> str | UnsetType:
    return rfc3339(milliseconds) if milliseconds else UNSET
