"""The steps and children of an execution, from what it has created."""

from __future__ import annotations

from dataclasses import dataclass, replace
from operator import itemgetter
from typing import TYPE_CHECKING

from gateway.model.failed_tries import failed_tries
from shared.resonate import tags as tag
from shared.resonate.states import STATUS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gateway.model.failed_tries import FailedTry
    from gateway.model.stored_promise import StoredPromise


@dataclass(frozen=True)
class StepState:
    """One step, or one child execution; times are milliseconds since the epoch.

    `worker` is None for a child, since each child's worker would take a search of its own.
    `failed_try` is the latest one of a step that has not ended.
    """

    name: str
    status: str
    worker: str | None
    started: int
    ended: int | None
    failed_try: FailedTry | None = None


def steps_of(created: Sequence[StoredPromise]) -> list[StepState]:
    """Return the steps of an execution in the order in which the function has begun them.

    That is the order of their numbers. `created` is all that the execution created, newest first.
    """
    failed = failed_tries(created)
    recoveries: list[StoredPromise] = []
    steps: list[tuple[int, StepState]] = []
    for promise in created:
        if tag.STEP in promise.tags or promise.is_child:
            step = step_of(promise, recoveries)
            step = replace(step, failed_try=failed.get(promise.id))
            number = promise.id.rpartition(".")[2]
            steps.append((int(number) if number.isdecimal() else 0, step))
        elif tag.RECOVERED_FROM in promise.tags and not promise.is_block:
            recoveries.append(promise)
    steps.reverse()  # those without a number are as old as the server's order says
    return [step for _, step in sorted(steps, key=itemgetter(0))]


def step_of(promise: StoredPromise, recoveries: Iterable[StoredPromise]) -> StepState:
    """Return one step or child; `recoveries` are records that are newer than its start.

    The newest record comes first. A step's promise names the worker that began the step; a record
    between the step's start and its end names the worker that took it over:

        1. worker-1 begins the step at 10.0 s and dies
        2. worker-2 records its recovery at 12.0 s
        3. the step ends at 13.0 s, so worker-2 has ended it
    """
    ended = promise.completed_on
    worker = next(
        (
            record.tags[tag.WORKER]
            for record in recoveries
            if not ended or record.created_on <= ended
        ),
        promise.tags.get(tag.WORKER, ""),
    )
    return StepState(
        promise.tags[tag.FUNCTION if promise.is_child else tag.STEP],
        STATUS[promise.state],
        None if promise.is_child else worker,
        promise.started_at,
        ended,
    )
