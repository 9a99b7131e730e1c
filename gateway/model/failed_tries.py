"""Failed tries of steps that will be tried again, from the records that workers store of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.ids import step_of_failed_try
from shared.resonate import tags as tag
from shared.resonate.codec import Failure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.model.stored_promise import StoredPromise


@dataclass(frozen=True, slots=True)
class FailedTry:
    """How often a step has failed, how it failed last, and when it was to be tried again.

    The time is in milliseconds since the epoch. `failure` has the name of the step.
    """

    tries: int
    failure: Failure
    next_try_at: int


def failed_try_of(record: StoredPromise) -> FailedTry:
    """Return the failed try that this promise is the record of."""
    failure = Failure.decode(record.tags[tag.FAILED_TRY])
    return FailedTry(failure.attempts or 1, failure, record.timeout)


def failed_tries(created: Sequence[StoredPromise]) -> Mapping[str, FailedTry]:
    """Return the latest failed try of each step that has not ended, by the step's id.

    `created` is what an execution has created, newest first. Tries of an earlier claim do not
    count: the worker that goes on counts from one again. The step that failed last comes first.
    """
    claim = next((p.tags[tag.CLAIM] for p in created if tag.CLAIM in p.tags), None)
    is_pending = {p.id: p.pending for p in created if tag.STEP in p.tags}
    latest: dict[str, FailedTry] = {}
    for record in created:
        if tag.FAILED_TRY not in record.tags or record.tags.get(tag.CLAIM) != claim:
            continue
        step = step_of_failed_try(record.id)
        # A step does not end in the pause, so its own promise need not have been read.
        if step not in latest and is_pending.get(step, record.pending):
            latest[step] = failed_try_of(record)
    return latest
