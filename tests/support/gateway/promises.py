"""Promises of the server, as gateways read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.model.stored_promise import StoredPromise
from shared.resonate import tags as tag
from shared.resonate.codec import encode_call

if TYPE_CHECKING:
    from collections.abc import Mapping


CALL = encode_call("foo", 1, '{"n":1}')


def promise(  # noqa: PLR0913 - the parts of a promise
    id: str = "job-1",
    state: str = "PENDING",
    *,
    param: str | None = CALL,
    value: str | None = None,
    created: int = 1_000,
    completed: int | None = None,
    tags: Mapping[str, str] | None = None,
) -> StoredPromise:
    """Return a promise as the server has it stored."""
    return StoredPromise(id, state, created, completed, 90_000, dict(tags or {}), param, value)


def part(
    name: str | None,
    worker: str,
    created: int,
    *,
    completed: int | None = None,
    recovered_from: str | None = None,
) -> StoredPromise:
    """Return what a worker's claim created: a step, or without a name its other records."""
    tags = {tag.STEP: name, tag.WORKER: worker, tag.RECOVERED_FROM: recovered_from}
    return promise(
        "job-1.1",
        "PENDING" if completed is None else "RESOLVED",
        created=created,
        completed=completed,
        tags={key: value for key, value in tags.items() if value is not None},
    )


def thing(
    state: str = "RESOLVED", created: int = 1_000, completed: int | None = None, /, **tags: str
) -> StoredPromise:
    """Return something that an execution created in its first attempt."""
    completed = None if state == "PENDING" else completed or created + 1
    own = {tag.WORKER: "a", tag.ATTEMPT: "1"}
    return promise(state=state, created=created, completed=completed, tags={**own, **tags})


CHILD = {tag.KIND: tag.CHILD, tag.FUNCTION: "part"}
