"""Whether a worker still holds an execution whose promises look as if it were running or waiting.

The promises show that a step has begun and not ended, or that there is something to wait for. Only
the state of the server's task shows the rest: that the worker died in the step, or before it had
created all that the execution waits for, or that the wait is over and no worker has resumed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from gateway.model.activity import last_worker_action
from shared.resonate import tags as tag
from shared.resonate.tasks import TaskState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.model.activity import Activity
    from gateway.model.stored_promise import StoredPromise
    from shared.resonate.tasks import Tasks

QUIET_MILLISECONDS: Final = 1000
"""Milliseconds after a worker's last action in which it is taken to be alive, without a call."""


def with_task_state(
    activity: Activity, created: Sequence[StoredPromise], tasks: Tasks, now: float
) -> Activity:
    """Return the activity corrected by the state of the server's task, at a time in seconds.

    Costs a call if the execution seems to run or to wait and no worker has acted for a while.
    """
    if activity.resumable:
        return activity
    if now * 1000 - last_worker_action(created) < QUIET_MILLISECONDS:
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
