"""Executions and what they created, made by hand; times are milliseconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from gateway.model.execution import Execution
from gateway.model.stored_promise import StoredPromise
from shared.resonate import tags as tag

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.model.timeline import Event

BLOCKED = {"expected": "step reserve", "found": "step quote", "version": 2}
"""What the record of a block says here."""

LIMIT = 90_000
"""When everything here times out."""


def root(
    *, ended: int | None = None, status: str = "resolved", starts_at: int | None = None
) -> Execution:
    """Return an execution that was created at 1,000."""
    return Execution(
        id="job-1",
        status="pending" if ended is None else status,
        function="foo",
        input="null",
        created_at=1_000,
        timeout_at=LIMIT,
        completed_at=ended,
        starts_at=starts_at,
        result="7" if ended is not None and status == "resolved" else None,
    )


def part(  # noqa: PLR0913 - the parts of a part
    n: int | str,
    at: int,
    ended: int | None = None,
    *,
    state: str = "RESOLVED",
    limit: int = LIMIT,
    worker: str = "worker-1",
    attempt: int = 1,
    recovered_from: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> StoredPromise:
    """Return what a worker created as the n-th thing, or under a name."""
    marks = {tag.WORKER: worker, tag.ATTEMPT: str(attempt)}
    if recovered_from is not None:
        marks[tag.RECOVERED_FROM] = recovered_from
    state = "PENDING" if ended is None else state
    return StoredPromise(f"job-1.{n}", state, at, ended, limit, {**marks, **(tags or {})})


def step(
    n: int, at: int, ended: int | None = None, *, name: str = "s", **also: str
) -> StoredPromise:
    """Return a step."""
    return part(n, at, ended, tags={tag.STEP: name, **also})


def sleep(n: int, at: int, until: int, *, over: bool = True) -> StoredPromise:
    """Return a sleep, which the server ends at its time."""
    return part(n, at, until if over else None, limit=until, tags={tag.SLEEP: "true"})


def block(k: int, at: int, until: int | None = None, **also: Any) -> StoredPromise:
    """Return the k-th record of a block; `until` is when a worker went on."""
    says = msgspec.json.encode(BLOCKED).decode()
    also = {"worker": "worker-2", **also}
    return part(f"blocked.{k}", at, until, tags={tag.BLOCKED: says}, **also)


def plain(events: list[Event]) -> bytes:
    """Return events as bytes that can be compared."""
    return msgspec.json.encode([[event.key, event.name, event.data] for event in events])
