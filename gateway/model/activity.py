"""Who works on an execution and what it is doing, from what it has created."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.model.blocked import blocked_of, open_block
from gateway.model.failed_tries import failed_tries
from shared.resonate import tags as tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gateway.model.blocked import Blocked
    from gateway.model.failed_tries import FailedTry
    from gateway.model.stored_promise import StoredPromise


@dataclass(frozen=True, slots=True)
class Activity:
    """What an execution is doing.

    `attempt` is 1, and one more each time the execution's worker was lost. `step` is the name of
    the running step. An execution that is suspended has `waiting_for` instead: the name of each
    thing it waits for, and since when in milliseconds. `resumable` means that its wait is over and
    no worker has gone on with it yet, `recovering` that its worker is gone and no other has taken
    it over yet. `progress` is the last report: done and total. `failed_try` is the latest one of a
    step that will be tried again, or is being tried again. With `blocked` no worker can go on yet,
    so no step runs; what the execution waits for may come meanwhile. `is_retried` says that
    there is a failed try, where that was not read.
    """

    worker: str
    attempt: int
    recovered_from: str | None
    step: str | None = None
    waiting_for: Sequence[tuple[str, int]] = ()
    resumable: bool = False
    recovering: bool = False
    progress: tuple[int, int] | None = None
    failed_try: FailedTry | None = None
    blocked: Blocked | None = None
    is_retried: bool = False

    @property
    def phase(self) -> str:
        """The phase while a worker holds the execution, or it waits for something."""
        if self.blocked is not None:
            return "blocked"
        if self.waiting_for:
            return "waiting"
        return "retrying" if self.failed_try is not None or self.is_retried else "running"


def activity_of(created: Sequence[StoredPromise]) -> Activity | None:
    """Return the activity of an execution that has created these promises, newest first.

    None means that no worker has created any of them. Records of blocks that are over do not count:
    they do not say who works now.
    """
    block = open_block(created)
    acted = [promise for promise in created if tag.WORKER in promise.tags]
    newest = block or next((promise for promise in acted if not promise.is_block), None)
    if newest is None:
        return None
    step = None if block else open_step(created)
    waits = () if step else tuple(filter(None, map(_waited_for, reversed(created))))
    idle = not (step or waits or block)
    return Activity(
        worker=newest.tags[tag.WORKER],
        attempt=int(newest.tags.get(tag.ATTEMPT, "1")),
        recovered_from=newest.tags.get(tag.RECOVERED_FROM),
        step=step,
        waiting_for=waits,
        resumable=idle and (acted[0].is_wait or _wait_is_over(created)),
        progress=_latest_report(created),
        failed_try=None if block else _latest_failed_try(created),
        blocked=blocked_of(block) if block else None,
    )


def open_step(created: Sequence[StoredPromise]) -> str | None:
    """Return the name of a step that has not ended, from what its execution has created."""
    step = next((p.tags[tag.STEP] for p in created if tag.STEP in p.tags and p.pending), None)
    failed_try = _latest_failed_try(created)
    return step or (failed_try.failure.step if failed_try else None)


def _latest_report(created: Sequence[StoredPromise]) -> tuple[int, int] | None:
    report = next((p.tags[tag.REPORTED] for p in created if tag.REPORTED in p.tags), None)
    if report is None:
        return None
    done, _, total = report.partition("/")
    return int(done), int(total)


def _latest_failed_try(created: Sequence[StoredPromise]) -> FailedTry | None:
    return next(iter(failed_tries(created).values()), None)


def last_worker_action(created: Iterable[StoredPromise]) -> int:
    """Return when a worker last created or settled one of these promises, in milliseconds."""
    mine = [promise for promise in created if tag.WORKER in promise.tags]
    ended = (promise.completed_on or 0 for promise in mine if not _ends_by_itself(promise))
    return max(*(promise.created_on for promise in mine), *ended, 0, 0)


def _ends_by_itself(promise: StoredPromise) -> bool:
    return promise.is_wait or tag.FAILED_TRY in promise.tags


def _wait_is_over(created: Sequence[StoredPromise]) -> bool:
    """Return whether a wait has ended and no worker has done anything since."""
    ended = max((promise.completed_on or 0 for promise in created if promise.is_wait), default=0)
    return ended > last_worker_action(created)


def _waited_for(promise: StoredPromise) -> tuple[str, int] | None:
    if not (promise.pending and promise.is_wait):
        return None
    name = promise.tags.get(tag.SIGNAL) or promise.tags.get(tag.FUNCTION) or "sleep"
    return name, promise.created_on
