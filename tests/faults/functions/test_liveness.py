"""A worker that is alive keeps its executions, whatever their steps do; a frozen one does not."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.processes import wait_until
from tests.support.renewers import renewer_of, renewers_of

if TYPE_CHECKING:
    from tests.support.stack import Stack

ODD = "tests.support.worker.odd"


def test_a_step_that_holds_the_interpreters_lock(bare_stack: Stack, job: str) -> None:
    """A step that holds the lock for 2.5 leases starts once, and so do its neighbours' steps."""
    for name in ("a", "b"):
        bare_stack.add_worker(name, ODD)
    neighbours = [f"{job}-{n}" for n in range(6)]
    for id in neighbours:
        bare_stack.create(id, "sleeps", 2.0)
    wait_until(lambda: all(map(bare_stack.starts, neighbours)), what="the neighbours' starts")

    bare_stack.create(job, "holds_gil", 5.0)

    ended = bare_stack.outcome(job)
    assert (ended["status"], ended["attempt"]) == ("resolved", 1)
    assert [step for _, step in bare_stack.starts(job)] == ["hold", "after"]
    for id in neighbours:
        assert bare_stack.outcome(id)["status"] == "resolved"
        assert [step for _, step in bare_stack.starts(id)] == ["first", "second"]
    for worker in bare_stack.workers.values():
        assert worker.events("leases not renewed") == []


def test_a_worker_that_is_stopped_lets_go(bare_stack: Stack, job: str) -> None:
    """With only the worker stopped and its renewer running, its executions go on elsewhere."""
    for name in ("a", "b"):
        bare_stack.add_worker(name, ODD)
    bare_stack.create(job, "sleeps", 1.0)
    ((holder, _), *_) = wait_until(lambda: bare_stack.starts(job), what="its start")
    (other,) = {"a", "b"} - {holder}
    frozen = bare_stack.workers[holder]
    renewer = renewer_of(frozen)

    frozen.signal(signal.SIGSTOP)
    stopped = time.monotonic()

    ended = bare_stack.outcome(job)
    assert (ended["status"], ended["worker"]) == ("resolved", other)
    assert time.monotonic() - stopped < 20
    os.kill(renewer, 0)
    frozen.signal(signal.SIGCONT)
    bare_stack.workers[other].stop()
    bare_stack.create(f"{job}-after", "sleeps", 0.01)
    assert bare_stack.outcome(f"{job}-after")["worker"] == holder


def test_a_short_stop_loses_nothing(bare_stack: Stack, job: str) -> None:
    """A worker that is stopped for less than a lease goes on with what it holds."""
    worker = bare_stack.add_worker("a", ODD)
    bare_stack.create(job, "sleeps", 1.5)
    wait_until(lambda: bare_stack.starts(job), what="its start")

    worker.signal(signal.SIGSTOP)
    time.sleep(0.8)
    worker.signal(signal.SIGCONT)

    assert bare_stack.outcome(job)["attempt"] == 1
    assert [step for _, step in bare_stack.starts(job)] == ["first", "second"]


def test_a_renewer_that_is_killed_is_replaced(bare_stack: Stack, job: str) -> None:
    """While renewers die one after the other the worker's executions run once."""
    worker = bare_stack.add_worker("a", ODD)
    bare_stack.create(job, "sleeps", 3.0)
    wait_until(lambda: bare_stack.starts(job), what="its start")

    for count in (1, 2):
        os.kill(renewer_of(worker), signal.SIGKILL)
        wait_until(partial(worker.events, "renewer ended", restarts=count), what="its end")
        wait_until(partial(renewers_of, worker), what="the next one")

    assert bare_stack.outcome(job)["attempt"] == 1
    assert Counter(step for _, step in bare_stack.starts(job)) == {"first": 1, "second": 1}


def test_a_drain_is_renewed(bare_stack: Stack, job: str) -> None:
    """A worker that drains for longer than a lease ends what runs; its renewer ignores signals."""
    worker = bare_stack.add_worker("a", ODD)
    bare_stack.create(job, "sleeps", 1.8)
    wait_until(lambda: bare_stack.starts(job), what="its start")
    renewer = renewer_of(worker)

    os.kill(renewer, signal.SIGTERM)

    assert worker.stop() == 0
    assert bare_stack.state(job)["status"] == "resolved"
    assert len(bare_stack.starts(job)) == 2
    wait_until(lambda: not Path(f"/proc/{renewer}").exists(), what="the renewer's end")
