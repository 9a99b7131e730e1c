"""Executions as the gateway knows them: the server's promises in the words of the API."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from shared import tags as tag
from shared.codec import Call, Failure, decode_call, decode_rejection, decode_result

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from resonate.models.durable_promise import DurablePromise

STATUS: Final = {
    "PENDING": "pending",
    "RESOLVED": "resolved",
    "REJECTED": "rejected",
    "REJECTED_CANCELED": "canceled",
    "REJECTED_TIMEDOUT": "timedout",
}


@dataclass(frozen=True)
class NewExecution:
    """What a client asks for. `fingerprint` is equal for equal functions and inputs only."""

    id: str
    function: str
    version: int
    input_json: str
    fingerprint: str
    timeout_seconds: int
    delay_seconds: int = 0


@dataclass(frozen=True)
class Activity:
    """Who works on an execution; `attempt` is how often it was picked up.

    `waiting_for` is what it waits for, with the time since when, and `progress` what it reported
    last: how much of how much.
    """

    worker: str
    attempt: int
    recovered_from: str | None
    waiting_for: tuple[str, int] | None = None
    progress: tuple[int, int] | None = None


@dataclass(frozen=True)
class StepState:
    """One step; times are milliseconds since the epoch."""

    name: str
    status: str
    worker: str
    started: int
    ended: int | None


@dataclass(frozen=True)
class Part:
    """Something that an execution created, without its values; times are milliseconds."""

    id: str
    state: str
    created_on: int
    completed_on: int | None
    timeout: int
    tags: Mapping[str, str]

    @property
    def settled(self) -> bool:
        """Whether nothing more comes of it; nobody ends the record of a recovery."""
        ends = (tag.STEP, tag.SIGNAL, tag.SLEEP)
        return self.state != "PENDING" or not any(name in self.tags for name in ends)


@dataclass(frozen=True)
class Execution:
    """One execution at one moment; times are milliseconds since the epoch.

    `result_json` is there when it resolved, `error` when it was rejected. `activity` is None until
    a worker has begun its first step; `steps` are there only when they were asked for.
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
    steps: list[StepState] = field(default_factory=list)

    @property
    def done(self) -> bool:
        return self.status != "pending"

    def phase(self, now: float) -> str | None:
        """Say what a pending execution is at: scheduled, queued or running; `now` is a time."""
        if self.done:
            return None
        if self.activity is not None:
            return "waiting" if self.activity.waiting_for else "running"
        return "scheduled" if now * 1000 < (self.starts_at or 0) else "queued"


def execution_of(promise: DurablePromise) -> Execution:
    """Translate an execution's promise. Raises `ValueError` if it is not one of ours."""
    status = STATUS[promise.state]
    return Execution(
        id=promise.id,
        status=status,
        call=decode_call(promise.param.data),
        created_at=promise.created_on,
        timeout_at=promise.timeout,
        completed_at=promise.completed_on,
        starts_at=int(promise.tags[tag.DELAY]) if tag.DELAY in promise.tags else None,
        result_json=decode_result(promise.value.data) if status == "resolved" else None,
        error=decode_rejection(promise.value.data) if status == "rejected" else None,
    )


def activity_of(created: Sequence[DurablePromise]) -> Activity | None:
    """Tell what becomes of an execution from what it created, newest first."""
    newest = next((promise for promise in created if tag.WORKER in promise.tags), None)
    if newest is None:
        return None
    reports = (p.tags[tag.PROGRESS] for p in created if tag.PROGRESS in p.tags)
    done, _, total = next(reports, "").partition("/")
    return Activity(
        worker=newest.tags[tag.WORKER],
        attempt=int(newest.tags.get(tag.ATTEMPT, "1")),
        recovered_from=newest.tags.get(tag.RECOVERED_FROM),
        waiting_for=_waited_for(newest),
        progress=(int(done), int(total)) if total else None,
    )


def _waited_for(newest: DurablePromise) -> tuple[str, int] | None:
    if newest.state != "PENDING":
        return None
    if tag.SIGNAL in newest.tags:
        return newest.tags[tag.SIGNAL], newest.created_on
    return ("sleep", newest.created_on) if tag.SLEEP in newest.tags else None


def part_of(promise: DurablePromise) -> Part:
    """Keep of a promise what tells its history, since a step's value may be large."""
    return Part(
        promise.id,
        promise.state,
        promise.created_on,
        promise.completed_on,
        promise.timeout,
        promise.tags,
    )


def steps_of(created: Iterable[DurablePromise | Part]) -> list[StepState]:
    """Tell an execution's steps, oldest first, from all that it created, newest first."""
    recoveries: list[DurablePromise | Part] = []
    steps: list[StepState] = []
    for promise in created:
        if tag.STEP in promise.tags:
            steps.append(step_of(promise, recoveries))
        elif tag.RECOVERED_FROM in promise.tags:
            recoveries.append(promise)
    return steps[::-1]


def step_of(
    promise: DurablePromise | Part, recoveries: Iterable[DurablePromise | Part]
) -> StepState:
    """Tell of one step; `recoveries` are those that came after its start, newest first.

    A step's promise names the worker that began it. If another took the execution over before it
    ended, that one's record of the recovery lies between its start and its end.
    """
    ended = promise.completed_on
    worker = next(
        (r.tags[tag.WORKER] for r in recoveries if ended is None or r.created_on <= ended),
        promise.tags.get(tag.WORKER, ""),
    )
    return StepState(
        promise.tags[tag.STEP], STATUS[promise.state], worker, promise.created_on, ended
    )
