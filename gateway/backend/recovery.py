"""Corrects the activity of an execution by the state of the server's task.

The promises show a running step, or something to wait for, even if the worker has died. The state
of the task decides:

1. FREE: the worker is gone (`recovering`).
2. OVER and nothing waited for: the wait is over (`resumable`).
3. Anything else: the activity stands.

It says nothing of a blocked execution: the worker that looks again and again lets the task go in
between.
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
"""Milliseconds after its last action for which a worker counts as alive without a call."""


def with_task_state(
    activity: Activity, created: Sequence[StoredPromise], tasks: Tasks, now: float
) -> Activity:
    """Return the activity, corrected by the task's state at `now`, in seconds since the epoch.

    Costs a call if the execution seems to run or to wait and no worker has acted for a while.
    """
    if activity.resumable or activity.blocked is not None:
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
