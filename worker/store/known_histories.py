"""What this worker knows of the histories of executions that it has suspended.

Each turn of an execution that waits again and again is replayed from all that came before. What has
ended does not change any more, so a worker that held the execution before reads only what is newer.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shared.ids import parts_pattern
from shared.resonate import tags as tag
from shared.resonate.store import PAGE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from resonate.models.durable_promise import DurablePromise

    from shared.resonate.store import Promises

MOST_BYTES: Final = 32 * 1024 * 1024
"""Bytes that a worker keeps of histories, roughly; those that were used last are kept."""

PART_BYTES: Final = 2_000
"""Bytes of memory that a part takes beside its value, roughly."""

FIRST_PAGE: Final = 10
"""Promises on the first page if the history was known before: little is newer."""

MOST_UNSURE: Final = 10
"""Parts that were open when they were seen last, and are asked for one by one rather than read
again with all that is newer."""


@dataclass(frozen=True)
class KnownHistory:
    """The parts of one execution, oldest first, by id.

    An execution with the same id that was begun at another time is another one.
    """

    created_at: int
    parts: Mapping[str, DurablePromise]
    size: int


class KnownHistories:
    """Remembers histories. Safe to use from any thread."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._known: OrderedDict[str, KnownHistory] = OrderedDict()
        self._size = 0

    def keep(self, execution: str, created_at: int, parts: Mapping[str, DurablePromise]) -> None:
        """Remember all that is stored of an execution, which is being suspended."""
        for part in parts.values():
            # Its store has the client of the SDK that ran the execution, which is to be freed.
            vars(part)["store"] = None
        size = sum(map(_size_of, parts.values()))
        with self._lock:
            self._forget(execution)
            if size > self._most_bytes:  # it would take the place of all others, for nothing
                return
            self._known[execution] = KnownHistory(created_at, dict(parts), size)
            self._size += size
            while self._size > self._most_bytes:
                self._forget(next(iter(self._known)))

    def read(self, promises: Promises, execution: str, created_at: int) -> list[DurablePromise]:
        """Return all that is stored of an execution, oldest first.

        A part that is open in the answer may have ended. Raises `Refused` and `Unanswered`.
        """
        known = self._take(execution, created_at)
        latest = _latest(known, execution)
        unsure = {part.id for part in known.values() if is_open(part)}
        newer: dict[str, DurablePromise] = {}
        pattern, own, after = parts_pattern(execution), {tag.EXECUTION: execution}, None
        limit = FIRST_PAGE if known else PAGE
        while True:
            page, after = promises.search(pattern, own, limit=limit, after=after)
            newer |= {part.id: part for part in page}
            unsure -= newer.keys()
            met = latest is not None and _is_same(latest, newer.get(latest.id))
            if after is None or (met and len(unsure) <= MOST_UNSURE):
                break
            limit = PAGE
        if not met:  # the store was set back: it lacks what is known, and all of it was read
            known = {}
        oldest_first = dict(reversed(newer.items()))
        return list(({id: known[id] for id in known if id not in newer} | oldest_first).values())

    def _take(self, execution: str, created_at: int) -> Mapping[str, DurablePromise]:
        with self._lock:
            found = self._known.get(execution)
            self._forget(execution)
        return found.parts if found is not None and found.created_at == created_at else {}

    def _forget(self, execution: str) -> None:
        found = self._known.pop(execution, None)
        self._size -= 0 if found is None else found.size


def _latest(known: Mapping[str, DurablePromise], execution: str) -> DurablePromise | None:
    """Return the latest known part that a search for the execution's parts finds."""
    own = [part for part in known.values() if part.tags.get(tag.EXECUTION) == execution]
    return own[-1] if own else None


def _is_same(part: DurablePromise, stored: DurablePromise | None) -> bool:
    """Return whether a part is still stored, and not another one of the same id."""
    made = part.created_on, part.tags.get(tag.CLAIM)
    return stored is not None and made == (stored.created_on, stored.tags.get(tag.CLAIM))


def is_open(part: DurablePromise) -> bool:
    """Return whether a part may still get an outcome; records stay pending and have none."""
    return part.pending and not is_record(part.tags)


def is_record(tags: Iterable[str]) -> bool:
    """Return whether tags are those of a promise that has no outcome."""
    return OUTCOMES.isdisjoint(tags)


OUTCOMES: Final = frozenset({tag.STEP, tag.SIGNAL, tag.SLEEP, tag.KIND})
"""Tags, one of which each promise with an outcome has."""


def _size_of(part: DurablePromise) -> int:
    return PART_BYTES + len(part.param.data or "") + len(part.value.data or "")
