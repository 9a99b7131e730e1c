"""Executions as the gateway knows them: the server's promises in the words of the API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.resonate import tags as tag
from shared.resonate.codec import Call, Failure, decode_call, decode_rejection, decode_result
from shared.resonate.states import STATUS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from resonate.models.durable_promise import DurablePromise


@dataclass(frozen=True)
class NewExecution:
    """What a client asks for. `fingerprint` is equal for equal functions and inputs only.

    `trace_id` is the trace that the request belongs to, if it said so, `callback` the URL to be
    told of the end.
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
class Activity:
    """Who works on an execution; `attempt` is how often it was picked up.

    `step` is the one that runs. `waiting_for` is what it waits for instead, each with the time
    since when; `resumable` says that the wait is over and a worker has yet to go on, `recovering`
    that its worker is gone and another has yet to take it over. `progress` is what it reported
    last: how much of how much.
    """

    worker: str
    attempt: int
    recovered_from: str | None
    step: str | None = None
    waiting_for: Sequence[tuple[str, int]] = ()
    resumable: bool = False
    recovering: bool = False
    progress: tuple[int, int] | None = None


@dataclass(frozen=True)
class StepState:
    """One step, or child execution; times are milliseconds since the epoch.

    `worker` is None for a child: to know that would take a look at each.
    """

    name: str
    status: str
    worker: str | None
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
        return self.state != "PENDING" or not (tag.STEP in self.tags or is_wait(self))


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution at one moment; times are milliseconds since the epoch.

    `result_json` is there when it resolved, `error` when it was rejected. `activity` is None until
    a worker has begun its first step; `steps` are there only when they were asked for. `partial`
    means that what it is at was not asked for.
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
        return self.status != "pending"

    def phase(self, now: float) -> str | None:
        """Say what a pending execution is at, None if there is nothing to say; `now` is a time."""
        if self.done or self.partial:
            return None
        if self.activity is not None and self.activity.recovering:
            return "recovering"
        if self.activity is not None and not self.activity.resumable:
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


def last_sign(created: Iterable[DurablePromise]) -> int:
    """Return when a worker last did something for an execution, as far as this tells."""
    mine = [promise for promise in created if tag.WORKER in promise.tags]
    ended = (promise.completed_on or 0 for promise in mine if not is_wait(promise))
    return max(*(promise.created_on for promise in mine), *ended, 0, 0)


def _woken(created: Sequence[DurablePromise]) -> bool:
    """Tell whether something that was waited for has ended, and no worker done anything since."""
    ended = max((p.completed_on or 0 for p in created if is_wait(p)), default=0)
    return ended > last_sign(created)


def activity_of(created: Sequence[DurablePromise]) -> Activity | None:
    """Tell what becomes of an execution from what it created, newest first."""
    newest = next((promise for promise in created if tag.WORKER in promise.tags), None)
    if newest is None:
        return None
    step = next((p for p in created if tag.STEP in p.tags and p.state == "PENDING"), None)
    waits = () if step else tuple(filter(None, map(_waited_for, reversed(created))))
    done, _, total = newest.tags.get(tag.REPORTED, "").partition("/")
    return Activity(
        worker=newest.tags[tag.WORKER],
        attempt=int(newest.tags.get(tag.ATTEMPT, "1")),
        recovered_from=newest.tags.get(tag.RECOVERED_FROM),
        step=step.tags[tag.STEP] if step else None,
        waiting_for=waits,
        resumable=not step and not waits and (is_wait(newest) or _woken(created)),
        progress=(int(done), int(total)) if total else None,
    )


def is_wait(promise: DurablePromise | Part) -> bool:
    """Tell whether an execution is suspended while this promise is open."""
    return bool({tag.SIGNAL, tag.SLEEP} & promise.tags.keys()) or is_child(promise)


def is_child(promise: DurablePromise | Part) -> bool:
    """Tell whether the promise is a child execution's."""
    return promise.tags.get(tag.KIND) == tag.CHILD


def _waited_for(promise: DurablePromise) -> tuple[str, int] | None:
    if promise.state != "PENDING" or not is_wait(promise):
        return None
    name = promise.tags.get(tag.SIGNAL) or promise.tags.get(tag.FUNCTION) or "sleep"
    return name, promise.created_on


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
        if tag.STEP in promise.tags or is_child(promise):
            steps.append(step_of(promise, recoveries))
        elif tag.RECOVERED_FROM in promise.tags:
            recoveries.append(promise)
    return steps[::-1]


def step_of(
    promise: DurablePromise | Part, recoveries: Iterable[DurablePromise | Part]
) -> StepState:
    """Tell of one step or child; `recoveries` are those that came after its start, newest first.

    A step's promise names the worker that began it. If another took the execution over before it
    ended, that one's record of the recovery lies between its start and its end.
    """
    ended = promise.completed_on
    child = is_child(promise)
    worker = next(
        (r.tags[tag.WORKER] for r in recoveries if ended is None or r.created_on <= ended),
        promise.tags.get(tag.WORKER, ""),
    )
    return StepState(
        promise.tags[tag.FUNCTION if child else tag.STEP],
        STATUS[promise.state],
        None if child else worker,
        promise.created_on,
        ended,
    )
