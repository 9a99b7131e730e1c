"""Whether a worker still has an execution that looks as if one were running it.

The store shows that a step has begun and not ended, or that there is something to wait for. That
its worker is dead, in the step or before it had begun all that it waits for, or that what the
execution waited for is there and nobody has taken it up, is known to the server's task alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from gateway.model.execution import last_sign
from shared.resonate import tags as tag
from shared.resonate.tasks import TaskState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resonate.models.durable_promise import DurablePromise

    from gateway.model.execution import Activity
    from shared.resonate.tasks import Tasks

QUIET_MILLISECONDS: Final = 1000
"""An execution that a worker did something for within that time is not asked about."""


def with_task_state(
    activity: Activity, created: Sequence[DurablePromise], tasks: Tasks, now: float
) -> Activity:
    """Return what an execution is at once the server was asked who has it; `now` is a time.

    Costs a call if the execution seems to run or to wait, and has been quiet for a while.
    """
    if activity.resumable:
        return activity
    if now * 1000 - last_sign(created) < QUIET_MILLISECONDS:
        return activity
    claim = next((p.tags[tag.CLAIM] for p in created if tag.CLAIM in p.tags), None)
    if claim is None:
        return activity
    match tasks.state(claim.rpartition("/")[0]):
        case TaskState.FREE:
            return replace(activity, recovering=True)
        case TaskState.OVER if not activity.waiting_for:
            return replace(activity, resumable=True)
        case _:
            return activity
