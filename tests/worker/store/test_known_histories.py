"""What a worker reads of an execution's history, and what it remembers."""

from __future__ import annotations

import gc
import weakref
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from shared.resonate import tags as tag
from shared.resonate.store import Store
from tests.support.worker.claims import LATER
from worker.store.known_histories import KnownHistories

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resonate.models.durable_promise import DurablePromise

    from shared.resonate.store import Promises


@dataclass
class Searches:
    """Searches a store; `pages` are the sizes of what was found."""

    promises: Promises
    pages: list[int] = field(default_factory=list)

    def search(self, *args: Any, **options: Any) -> tuple[list[DurablePromise], int | None]:
        found, after = self.promises.search(*args, **options)
        self.pages.append(len(found))
        return found, after


def create(store: Store, job: str, numbers: range, **tags: str) -> None:
    """Store steps that have ended, unless they have other tags."""
    for number in numbers:
        id = f"{job}.{number}"
        store.promises.create(id, LATER, ikey=id, tags={tag.EXECUTION: job, tag.STEP: "s", **tags})
        if not tags:
            store.promises.resolve(id, ikey=id, data=str(number))


def read(known: KnownHistories, store: Store, job: str, born: int = 1) -> tuple[list[str], int]:
    """Read a history as a claim does, and keep it; return the ids and how much was read."""
    searches: Any = Searches(store.promises)
    found = known.read(searches, job, born)
    parts: Mapping[str, DurablePromise] = {part.id: part for part in found}
    known.keep(job, born, parts)
    return list(parts), sum(searches.pages)


def test_a_long_history_is_read_in_pages(store: Store, job: str) -> None:
    """All of it is there, oldest first."""
    create(store, job, range(1, 131))

    found, _ = read(KnownHistories(), store, job)

    assert found == [f"{job}.{number}" for number in range(1, 131)]


def test_only_what_is_newer_is_read_again(store: Store, job: str) -> None:
    """The next turn of an execution costs the same, however long its history is."""
    known = KnownHistories()
    create(store, job, range(1, 61))
    read(known, store, job)
    create(store, job, range(61, 64))

    found, count = read(known, store, job)

    assert found == [f"{job}.{number}" for number in range(1, 64)]
    assert count <= 10


def test_many_open_parts_are_read_again(store: Store, job: str) -> None:
    """Those that were open may have ended; a few would be asked for one by one."""
    known = KnownHistories()
    create(store, job, range(1, 41), kind=tag.CHILD)
    read(known, store, job)
    for number in range(1, 41):
        store.promises.resolve(f"{job}.{number}", ikey="end", data="1")

    parts = known.read(store.promises, job, 1)

    assert len(parts) == 40
    assert sum(part.pending for part in parts) <= 10


def test_another_execution_of_the_same_id(store: Store, job: str) -> None:
    """What is known of an execution is nothing to one that was begun at another time."""
    known = KnownHistories()
    create(store, job, range(1, 31))
    read(known, store, job, born=1)

    _, count = read(known, store, job, born=2)

    assert count == 30


@pytest.mark.parametrize("length", [3, 40])
def test_what_the_store_has_lost_is_not_known(store: Store, job: str, length: int) -> None:
    """After a backup was restored no worker goes on from what only it remembers."""
    known, lost = KnownHistories(), f"{job}.lost"
    create(store, job, range(1, length + 1))
    parts = {part.id: part for part in known.read(store.promises, job, 1)}
    latest = parts[f"{job}.{length}"]
    known.keep(job, 1, {**parts, lost: replace(latest, id=lost)})

    found, _ = read(known, store, job)

    assert found == [f"{job}.{number}" for number in range(1, length + 1)]


def test_what_is_stored_anew_replaces_what_is_known(store: Store, job: str) -> None:
    """Other parts with the same ids, made after a backup was restored, are all read."""
    known = KnownHistories()
    create(store, job, range(1, 31))
    earlier = [replace(part, created_on=1) for part in known.read(store.promises, job, 1)]
    known.keep(job, 1, {part.id: part for part in earlier})

    found = known.read(store.promises, job, 1)

    assert len(found) == 30
    assert all(part.created_on > 1 for part in found)


@pytest.mark.parametrize("most", [0, 1_000_000])
def test_memory_is_bounded(store: Store, job: str, most: int) -> None:
    """What would take too much is forgotten, and read anew."""
    known = KnownHistories(most)
    create(store, job, range(1, 31))
    read(known, store, job)

    _, count = read(known, store, job)

    assert count == (10 if most else 30)


def test_a_history_that_is_too_large_leaves_the_others(store: Store, job: str) -> None:
    """An execution whose history cannot be kept costs no other one its memory."""
    known, other = KnownHistories(100_000), f"{job}-other"
    create(store, job, range(1, 31))
    create(store, other, range(1, 61))
    read(known, store, job)
    read(known, store, other)

    _, count = read(known, store, job)

    assert count == 10


def test_the_store_that_read_a_history_is_freed(store: Store, job: str) -> None:
    """It has the client of the SDK that ran the execution, which no kept history may keep."""
    create(store, job, range(1, 4))
    reader, known = Store(store.transport), KnownHistories()
    freed = weakref.ref(reader)

    read(known, reader, job)
    del reader
    gc.collect()

    assert freed() is None
    assert read(known, store, job)[0] == [f"{job}.{number}" for number in range(1, 4)]
