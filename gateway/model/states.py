"""The data of the events `state`: what an execution is doing from a moment on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from gateway.model.blocked import blocked_of
from gateway.model.bodies import StateBody, WaitedForBody
from gateway.model.representation import blocked_body, rfc3339, waited_for_bodies
from shared.resonate import tags as tag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.model.execution import Execution
    from gateway.model.stored_promise import StoredPromise


def created_state(root: Execution) -> StateBody:
    """Return the first state of an execution."""
    return StateBody(
        status="pending",
        phase="scheduled" if root.starts_at else "queued",
        version=UNSET if root.version is None else root.version,
        starts_at=rfc3339(root.starts_at) if root.starts_at else UNSET,
        at=rfc3339(root.created_at),
    )


def running_state(part: StoredPromise) -> StateBody:
    """Return the state in which a worker has created this part."""
    return _state_of(part, "running")


def waiting_state(wait: StoredPromise) -> StateBody:
    """Return the state since this wait for a signal or a time began."""
    return _state_of(wait, "waiting", waiting_for=waited_for_bodies([_waited_for(wait)]))


def blocked_state(record: StoredPromise, parts: Sequence[StoredPromise]) -> StateBody:
    """Return the state since this record of a block, of an execution with these parts."""
    return _state_of(
        record,
        "blocked",
        waiting_for=_open_waits(parts, record.created_on) or UNSET,
        blocked=blocked_body(blocked_of(record)),
    )


def resumed_state(at: int, parts: Sequence[StoredPromise]) -> StateBody:
    """Return the state after a wait or a block, with what is still waited for among these parts.

    The worker that goes on is not known yet: what it creates next will name it.
    """
    waiting_for = _open_waits(parts, at)
    return StateBody(
        status="pending",
        phase="waiting" if waiting_for else "running",
        waiting_for=waiting_for or UNSET,
        at=rfc3339(at),
    )


def _state_of(part: StoredPromise, phase: str, **also: Any) -> StateBody:
    return StateBody(
        status="pending",
        phase=phase,
        worker=part.tags.get(tag.WORKER, ""),
        attempt=int(part.tags.get(tag.ATTEMPT, "1")),
        recovered_from=part.tags.get(tag.RECOVERED_FROM, UNSET),
        at=rfc3339(part.created_on),
        **also,
    )


def _open_waits(parts: Sequence[StoredPromise], moment: int) -> list[WaitedForBody]:
    """Return the waits for signals and times that were open at a moment."""
    return waited_for_bodies(
        _waited_for(part)
        for part in parts
        if (part.is_signal or part.is_sleep)
        and part.created_on <= moment
        and (part.completed_on is None or part.completed_on > moment)
    )


def _waited_for(wait: StoredPromise) -> tuple[str, int]:
    return wait.tags.get(tag.SIGNAL, "sleep"), wait.created_on
