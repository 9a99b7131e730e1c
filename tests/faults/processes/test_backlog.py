"""Executions that wait because no worker is there, or because one was lost with its offers."""

from __future__ import annotations

import signal
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.processes import call, wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.stack import Stack

HOUR = 3_600_000
MOST_SECONDS = 9.0
"""Seconds for a dozen of executions, the first of which may wait for two or three."""

RUN_SECONDS = 20.0
"""Seconds for far fewer executions than that takes: nobody waits for a pause of the server's."""


def let_wait(stack: Stack) -> None:
    """Let the tasks of the store wait for an hour, as if there had been no worker for long."""
    later = int(time.time() * 1000) + HOUR
    with closing(sqlite3.connect(stack.server.database, timeout=30)) as store, store:
        store.execute("UPDATE tasks SET expires_at = ?, attempt = 9 WHERE state = 1", (later,))


def tried(stack: Stack) -> int:
    """Return for how many tasks the server has found no worker."""
    with closing(sqlite3.connect(stack.server.database, timeout=30)) as store:
        query = "SELECT count(*) FROM tasks WHERE state = 1 AND attempt > 0"
        number: int = store.execute(query).fetchone()[0]
    return number


def resolve(stack: Stack, ids: Sequence[str], seconds: float) -> None:
    """Wait until all executions have ended."""
    end = time.monotonic() + seconds
    for id in ids:
        assert stack.outcome(id, max(1.0, end - time.monotonic()))["status"] == "resolved"


def begin(stack: Stack, job: str, number: int, function: str = "foo", **given: object) -> list[str]:
    """Begin executions and return their ids, the last of which comes first in the text's order."""
    ids = [f"{job}-{number - n:04}" for n in range(number)]
    for id in ids:
        assert stack.begin(id, function, given or None).status == 202
    return ids


def test_a_worker_that_starts_need_not_wait_for_a_pause(bare_stack: Stack, job: str) -> None:
    """Executions that were set aside for an hour run when a worker comes, the oldest first."""
    ids = begin(bare_stack, job, 200)
    wait_until(lambda: tried(bare_stack) == len(ids), what="an attempt of each")
    let_wait(bare_stack)

    bare_stack.add_worker("worker-1", WORKER_CONCURRENCY="1")
    resolve(bare_stack, ids, RUN_SECONDS)

    started = [event["execution"] for event in steps(bare_stack)]
    places = {id: started.index(id) for id in ids}
    assert set(started[:60]) <= set(ids[:128])
    assert max(places[id] for id in ids[:20]) < min(places[id] for id in ids[-20:])


def test_a_worker_that_was_frozen_finds_what_waits(bare_stack: Stack, job: str) -> None:
    """A worker that has had nothing to do asks for executions that were set aside meanwhile."""
    worker = bare_stack.add_worker("worker-1")
    worker.signal(signal.SIGSTOP)
    # The server ends the frozen worker's stream, and offers it nothing more.
    ids = begin(bare_stack, job, 20)
    wait_until(lambda: tried(bare_stack) > 0, what="an attempt without a worker")
    let_wait(bare_stack)

    worker.signal(signal.SIGCONT)

    resolve(bare_stack, ids, RUN_SECONDS)


def test_offers_of_a_killed_worker_come_to_another(bare_stack: Stack, job: str) -> None:
    """A worker is killed with offers in its inbox: another one starts them, and each runs once."""
    first = bare_stack.add_worker("worker-1", WORKER_CONCURRENCY="1")
    bare_stack.begin(job, "part", {"pace": 600})
    wait_until(lambda: first.events("step started"), what="a slot that is busy")
    ids = begin(bare_stack, f"{job}-offered", 100)

    first.kill()
    second = bare_stack.add_worker("worker-2")

    resolve(bare_stack, ids, RUN_SECONDS)
    started = [event["execution"] for event in second.events("step started")]
    assert sorted(id for id in started if id in set(ids)) == sorted(ids)


@pytest.mark.alone
def test_a_busy_worker_keeps_no_offers_from_an_idle_one(bare_stack: Stack, job: str) -> None:
    """Beside a worker that long executions keep busy, at most the first ones wait for a moment."""
    first = bare_stack.add_worker("worker-1", WORKER_CONCURRENCY="1")
    bare_stack.begin(job, "part", {"pace": 60})
    wait_until(lambda: first.events("step started"), what="a slot that is busy")
    bare_stack.add_worker("worker-2")

    began = time.monotonic()
    for number in range(12):
        ids = begin(bare_stack, f"{job}-{number}", 1)
        resolve(bare_stack, ids, MOST_SECONDS)

    assert time.monotonic() - began < MOST_SECONDS


def test_a_delayed_execution_starts_in_time_beside_a_backlog(bare_stack: Stack, job: str) -> None:
    """An execution with a delay does not run early when a worker asks for what waits."""
    bare_stack.begin(f"{job}-first", "foo")
    starts_at = time.time() + 3
    later = f"{bare_stack.url}/begin?id={job}&function=foo&delay=3s"
    assert call(later, "POST").status == 202
    bare_stack.add_worker("worker-1")

    outcome = bare_stack.outcome(job)
    assert starts_at <= outcome["result"]["timestamp"] < starts_at + 5


def steps(stack: Stack) -> list[dict[str, Any]]:
    """Return the starts of steps in the workers' logs, in order."""
    events = [e for w in stack.workers.values() for e in w.events("step started")]
    return sorted(events, key=lambda event: event["timestamp"])
