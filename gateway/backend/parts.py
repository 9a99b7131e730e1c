"""What an execution has created: its steps, waits, children and records, read with few searches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.model.activity import open_step
from gateway.model.blocked import open_block
from gateway.model.stored_promise import StoredPromise
from shared.ids import parts_pattern
from shared.resonate import tags as tag
from shared.resonate.store import PAGE

if TYPE_CHECKING:
    from resonate.models.durable_promise import DurablePromise

    from shared.resonate.large_values import Data
    from shared.resonate.store import Promises

NEWEST_COUNT: Final = 10
"""Promises, the newest of an execution, from which its activity is read."""

STEP_PAGES: Final = 10
"""Pages of 100 promises that are read for an execution's steps: the newest ones."""


def page_of_parts(
    promises: Promises, id: str, limit: int, after: int | None
) -> tuple[list[StoredPromise], int | None]:
    """Return some of what an execution has created, newest first, and the last one's position."""
    found, position = promises.search(
        parts_pattern(id), {tag.EXECUTION: id}, limit=limit, after=after
    )
    return list(map(record_of, found)), position


def newest_parts(promises: Promises, id: str) -> list[StoredPromise]:
    """Return an execution's newest promises; unless a step runs, what it waits for as well."""
    found, _ = page_of_parts(promises, id, NEWEST_COUNT, None)
    if len(found) == NEWEST_COUNT and (open_block(found) or open_step(found) is None):
        known = {part.id for part in found}
        found += [part for part in _pending_parts(promises, id) if part.id not in known]
    return found


def _pending_parts(promises: Promises, id: str) -> list[StoredPromise]:
    """Return an execution's newest pending promises, and its children if these have no wait.

    Records stay pending as long as the execution, so a page may have nothing else.
    """
    pattern, own = parts_pattern(id), {tag.EXECUTION: id}
    pending, after = promises.search(pattern, own, state="pending")
    parts = [record_of(promise) for promise in pending]
    if after is not None and not any(part.is_wait for part in parts):
        children, _ = promises.search(pattern, {**own, tag.KIND: tag.CHILD}, state="pending")
        parts += map(record_of, children)
    return parts


def parts_with_steps(promises: Promises, id: str) -> list[StoredPromise]:
    """Return all that an execution has created, newest first; of a very long one the newest."""
    created: list[StoredPromise] = []
    after: int | None = None
    for _ in range(STEP_PAGES):
        page, after = page_of_parts(promises, id, PAGE, after)
        created += page
        if after is None:
            break
    return created


def record_of(
    promise: DurablePromise, param: Data | None = None, value: Data | None = None
) -> StoredPromise:
    """Return the SDK's record of a promise as one of our own, with these values or without any."""
    return StoredPromise(
        promise.id,
        promise.state,
        promise.created_on,
        promise.completed_on,
        promise.timeout,
        promise.tags,
        param,
        value,
        promise.value.headers or {},
    )
