"""Executions that no worker can go on with yet, from the records that workers store of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from shared.resonate import tags as tag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.model.stored_promise import StoredPromise

UNKNOWN = "unknown"
"""What is shown of a record that does not say what was expected or found."""


@dataclass(frozen=True, slots=True)
class Blocked:
    """Why `worker` could not go on: `expected` is what is stored, `found` what its code asks for.

    `version` is the version of the execution's function, None if the record does not have it.
    """

    expected: str
    found: str
    worker: str
    version: int | None


def blocked_of(record: StoredPromise) -> Blocked:
    """Return what this record of a block says."""
    try:
        stored: Any = orjson.loads(record.tags[tag.BLOCKED])
    except ValueError:
        stored = None
    fields: dict[str, Any] = stored if isinstance(stored, dict) else {}
    version = fields.get("version")
    return Blocked(
        str(fields.get("expected") or UNKNOWN),
        str(fields.get("found") or UNKNOWN),
        record.tags.get(tag.WORKER, ""),
        version if isinstance(version, int) and version > 0 else None,
    )


def open_block(created: Sequence[StoredPromise]) -> StoredPromise | None:
    """Return the record by which an execution is blocked, from what it created, newest first.

    A record blocks as long as no worker has resolved it and none has created anything since. The
    server times it out when the execution is over, so that is no sign of a worker.
    """
    latest = next((promise for promise in created if tag.WORKER in promise.tags), None)
    return latest if latest and latest.is_block and latest.state != "RESOLVED" else None


@dataclass(frozen=True, slots=True)
class Block:
    """A time for which an execution was blocked, in milliseconds; without an end if it still is."""

    since: int
    until: int | None

    def holds(self, moment: int) -> bool:
        """Return whether the execution was blocked at this moment."""
        return self.since <= moment and (self.until is None or moment < self.until)


def blocks_of(parts: Sequence[StoredPromise]) -> list[Block]:
    """Return the times for which an execution was blocked, from all it created, oldest first."""
    blocks: list[Block] = []
    following: int | None = None
    for part in reversed(parts):
        if part.is_block:
            resolved = part.completed_on if part.state == "RESOLVED" else None
            ends = [end for end in (resolved, following) if end is not None]
            blocks.append(Block(part.created_on, min(ends, default=None)))
        if tag.WORKER in part.tags:
            following = part.created_on
    return blocks[::-1]
