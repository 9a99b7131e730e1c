"""Whole bodies of /wait, made from the promises of the server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from resonate.models.durable_promise import DurablePromise


def shown(milliseconds: int | None) -> str:
    """Return a time of the store in the form of answers."""
    assert milliseconds is not None
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03}Z"


def pending(promise: DurablePromise, **also: object) -> dict[str, Any]:
    """Return the whole body for an execution that has not ended."""
    phase = {"phase": "running" if "worker" in also else "queued"} if "status" not in also else {}
    return {
        **phase,
        "status": "pending",
        "promise_id": promise.id,
        "done": False,
        "function": "foo",
        "version": 1,
        "created_at": shown(promise.created_on),
        "timeout_at": shown(promise.timeout),
        **also,
    }


def ended(promise: DurablePromise, status: str, **also: object) -> dict[str, Any]:
    """Return the whole body for an execution that has ended."""
    completed_at = shown(promise.completed_on)
    return pending(promise, status=status, done=True, completed_at=completed_at, **also)
