"""What /wait answers of executions in each state, made by hand."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any


def at(seconds_ago: float) -> str:
    """Return a time as the API writes it."""
    return (
        datetime.fromtimestamp(time.time() - seconds_ago, UTC)
        .isoformat("T", "milliseconds")
        .replace("+00:00", "Z")
    )


def step(
    name: str, began: float, ended: float | None, worker: str | None, **also: Any
) -> dict[str, Any]:
    """Return a step."""
    status = "pending" if ended is None else "resolved"
    end = None if ended is None else at(ended)
    return {
        "name": name,
        "status": status,
        "worker": worker,
        "started": at(began),
        "ended": end,
        **also,
    }


def execution(id: str, phase: str | None = "running", **also: Any) -> dict[str, Any]:
    """Return an execution that was begun 20 s ago."""
    state = {} if phase is None else {"phase": phase}
    return {
        "status": "pending",
        "promise_id": id,
        "done": False,
        "function": "checkout",
        "version": 1,
        "created_at": at(20),
        "timeout_at": at(-3600),
        "input": {"pace": 1},
        "steps": [],
        **state,
        **also,
    }


def ended(id: str, status: str, **also: Any) -> dict[str, Any]:
    """Return an execution that has ended 3 s ago."""
    return execution(id, None, status=status, done=True, completed_at=at(3), **also)


def item(id: str, **also: Any) -> dict[str, Any]:
    """Return a row of /list."""
    return {
        "id": id,
        "function": "checkout",
        "version": 1,
        "status": "pending",
        "phase": "running",
        "worker": "worker-1",
        "attempt": 1,
        "created_at": at(20),
        "completed_at": None,
        **also,
    }
