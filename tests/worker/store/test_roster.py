"""Which workers of a group run, as their entries at the real server say."""

from __future__ import annotations

import sqlite3
import uuid
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from shared.resonate import tags as tag
from shared.resonate.tasks import Locks
from tests.support.processes import wait_until
from worker.store import roster as module
from worker.store.roster import Roster

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.resonate.store import Store
    from tests.support.stack import Stack

    type Enter = Callable[[str], Roster]


@pytest.fixture(name="enter")
def _enter(store: Store) -> Enter:
    """Return how a worker of a group of its own enters, serving version 1 of `order`."""
    group = f"group_{uuid.uuid4().hex}"

    def enter(pid: str) -> Roster:
        locks = Locks(store.transport)
        roster = Roster(store, locks, group, f"{group}-{pid}", {"order": [1]})
        roster.start()
        entry = f"=worker={group}={group}-{pid}"
        wait_until(lambda: store.promises.search(entry, {})[0], what=f"the entry of {pid}")
        return roster

    return enter


@pytest.fixture(name="needed", autouse=True)
def _needed(store: Store, job: str) -> None:
    """Store an execution that needs version 1 of `order`."""
    store.promises.create(job, 2**50, ikey=job, tags={tag.FUNCTION: "order", tag.VERSION: "1"})


def warnings_of(roster: Roster) -> list[tuple[str, int]]:
    """Let a worker leave; return the versions of which it says that it was the last."""
    with capture_logs() as log:
        roster.leave()
    wanted = "last worker of a version that is still needed"
    return [(each["function"], each["version"]) for each in log if each["event"] == wanted]


def test_the_last_one_says_so(enter: Enter) -> None:
    """Of two workers the second one to leave is the last."""
    first, second = enter("a"), enter("b")

    assert warnings_of(first) == []
    assert warnings_of(second) == [("order", 1)]


def test_a_worker_that_was_frozen_is_still_there(
    enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker whose lock has lapsed is not removed: it counts again when it goes on."""
    monkeypatch.setattr(module, "LOCK_MILLISECONDS", 1)
    frozen = enter("frozen")
    monkeypatch.undo()
    other, last = enter("b"), enter("c")
    warnings_of(other)

    frozen._enter()

    assert warnings_of(last) == []


def test_a_worker_that_is_long_dead_is_removed(
    enter: Enter, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The entries of workers that were killed do not stay for ever."""
    monkeypatch.setattr(module, "LOCK_MILLISECONDS", 1)
    dead = enter("dead")
    monkeypatch.undo()
    monkeypatch.setattr(module, "STALE_SECONDS", -60.0)

    assert warnings_of(enter("b")) == [("order", 1)]
    assert not store.promises.get(f"{dead._prefix}{dead._pid}").pending


def test_a_living_worker_is_known_to_ask_for_offers(bare_stack: Stack) -> None:
    """Its lock names its group: one with its own process id is that of an earlier release."""
    bare_stack.add_worker("worker-1", WORKER_GROUP="blue")

    def locks() -> list[tuple[str]]:
        with closing(sqlite3.connect(bare_stack.server.database, timeout=30)) as store:
            query = "SELECT process_id FROM locks WHERE resource_id GLOB 'alive.*'"
            return store.execute(query).fetchall()

    assert wait_until(locks, what="the worker's lock") == [("blue",)]
