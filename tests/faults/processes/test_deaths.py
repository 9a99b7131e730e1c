"""Processes die, freeze and stop; their work goes on elsewhere, and nothing is lost."""

from __future__ import annotations

import signal
import statistics
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import wait_until
from worker.runtime import MOST_LEFT_BEHIND

if TYPE_CHECKING:
    from tests.support.stack import Stack

BOTH = pytest.mark.parametrize("presence", [True, False], ids=["seen", "unseen"])
"""Whether gateways see the workers, or only leases tell of a death."""

LEASE = 2.0
STEPS = ("reserve", "charge", "pack", "ship", "notify")


def began(stack: Stack, job: str, step: str) -> str:
    """Wait until a worker has begun the step; return its name."""
    found = wait_until(
        lambda: [worker for worker, name in stack.starts(job) if name == step],
        seconds=20,
        what=f"start of {step}",
    )
    return found[0]


def stamp(text: str) -> float:
    """Return a log line's time in seconds."""
    return datetime.fromisoformat(text).timestamp()


@BOTH
def test_a_frozen_holder_changes_nothing_when_it_thaws(bare_stack: Stack, job: str) -> None:
    """A worker that is frozen past its lease writes nothing, starts nothing, and then serves on."""
    for name in ("a", "b"):
        bare_stack.add_worker(name)
    bare_stack.begin(job, "checkout", {"pace": 0.8})
    holder = began(bare_stack, job, "charge")
    frozen = bare_stack.workers[holder]
    frozen.signal(signal.SIGSTOP)

    ended = bare_stack.outcome(job, 30)
    frozen.signal(signal.SIGCONT)

    wait_until(
        lambda: (
            frozen.events("execution given up", execution=job)
            or frozen.events("step failed", execution=job)
            or time.monotonic() % 1 > 0.9
        ),
        what="the end of the frozen step",
    )
    other = "b" if holder == "a" else "a"
    assert (ended["status"], ended["worker"], ended["recovered_from"]) == (
        "resolved",
        other,
        holder,
    )
    assert Counter(step for _, step in bare_stack.starts(job)) == {
        **dict.fromkeys(STEPS, 1),
        "charge": 2,
    }
    bare_stack.workers[other].stop()
    bare_stack.begin(f"{job}-probe")
    assert bare_stack.outcome(f"{job}-probe")["status"] == "resolved"
    assert bare_stack.state(job, steps=True) == ended


@pytest.mark.alone
def test_a_frozen_worker_does_not_keep_the_others_waiting(bare_stack: Stack, job: str) -> None:
    """Twenty jobs that wait in a frozen worker are begun by another within 7 s.

    The server offers them to the frozen worker until that one's stream ends, 1.2 s later at most,
    and to another worker 5 s after the last offer.
    """
    frozen = bare_stack.add_worker("frozen", WORKER_CONCURRENCY="1")
    bare_stack.begin(f"{job}-long", "checkout", {"pace": 5})
    began(bare_stack, f"{job}-long", "reserve")
    jobs = [f"{job}-{n}" for n in range(20)]
    for id in jobs:
        bare_stack.begin(id)
    bare_stack.add_worker("other")
    frozen.signal(signal.SIGSTOP)
    stopped_at = time.monotonic()

    for id in jobs:
        bare_stack.outcome(id, 10)

    assert time.monotonic() - stopped_at < 7


@BOTH
def test_all_workers_die_at_once(bare_stack: Stack, job: str) -> None:
    """With every worker killed, what they held and what came meanwhile ends on new ones."""
    for name in ("a", "b", "c"):
        bare_stack.add_worker(name)
    jobs = [f"{job}-{n}" for n in range(30)]
    for id in jobs:
        bare_stack.begin(id, "checkout", {"pace": 0.3})
    began(bare_stack, jobs[0], "charge")

    for name in ("a", "b", "c"):
        bare_stack.workers[name].kill()
    late = f"{job}-late"
    bare_stack.begin(late)
    for name in ("d", "e"):
        bare_stack.add_worker(name)

    assert {bare_stack.outcome(id, 40)["status"] for id in (*jobs, late)} == {"resolved"}
    for id in jobs:
        counts = Counter(step for _, step in bare_stack.starts(id))
        assert sum(counts.values()) <= len(STEPS) + 1


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("number", "seconds"),
    [
        (signal.SIGKILL, 0.0),
        (signal.SIGTERM, 0.0),
        pytest.param(signal.SIGKILL, 10.0, marks=pytest.mark.long),
        pytest.param(signal.SIGKILL, 60.0, marks=pytest.mark.long),
    ],
)
def test_the_server_is_away(
    bare_stack: Stack, job: str, number: signal.Signals, seconds: float
) -> None:
    """The server is killed or stopped, and comes back: workers live on and all jobs end."""
    for name in ("a", "b"):
        bare_stack.add_worker(name)
    jobs = [f"{job}-{n}" for n in range(100)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda id: bare_stack.begin(id, "checkout", {"pace": 0.2}), jobs))
    began(bare_stack, jobs[0], "charge")

    bare_stack.server.signal(number)
    if number == signal.SIGTERM:
        wait_until(lambda: not bare_stack.server.answers(), what="the server's refusal")
    bare_stack.server.kill()
    assert bare_stack.begin(f"{job}-away").status == 503
    back_at = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() >= back_at, seconds=seconds + 5)
    bare_stack.server.start()

    with ThreadPoolExecutor(16) as pool:
        ended = list(pool.map(lambda id: bare_stack.outcome(id, 60), jobs))
    assert {state["status"] for state in ended} == {"resolved"}
    assert all(worker.running() for worker in bare_stack.workers.values())
    bare_stack.begin(f"{job}-probe")
    bare_stack.outcome(f"{job}-probe", 5)


def test_a_gateway_is_killed_while_clients_wait(bare_stack: Stack, job: str) -> None:
    """Another gateway answers for what the dead one accepted; nothing runs twice."""
    bare_stack.add_worker("a")
    other = bare_stack.add_gateway("other")
    jobs = [f"{job}-{n}" for n in range(40)]
    for id in jobs:
        bare_stack.begin(id, "checkout", {"pace": 0.2})

    bare_stack.gateways["gateway"].kill()
    bare_stack.url = other

    for id in jobs:
        assert bare_stack.outcome(id, 30)["attempt"] == 1


def test_stopping_while_the_server_is_away(bare_stack: Stack, job: str) -> None:
    """With the server gone, SIGTERM still ends gateway and workers, in their time."""
    worker = bare_stack.add_worker("a", WORKER_DRAIN_SECONDS="1")
    bare_stack.begin(job, "checkout", {"pace": 30})
    began(bare_stack, job, "reserve")
    bare_stack.server.kill()

    assert worker.stop(8) == 0
    assert bare_stack.gateways["gateway"].stop(12) == 0


def test_a_second_signal_hurries(bare_stack: Stack, job: str) -> None:
    """SIGTERM again ends the drain at once and hands the job back."""
    worker = bare_stack.add_worker("a", WORKER_DRAIN_SECONDS="60")
    bare_stack.begin(job, "checkout", {"pace": 30})
    began(bare_stack, job, "reserve")
    worker.signal(signal.SIGTERM)
    wait_until(lambda: worker.events("draining"), what="the drain")
    again_at = time.monotonic() + 0.6  # nearer to the first it would count as the same

    wait_until(lambda: time.monotonic() > again_at)
    assert worker.stop(5) == 0
    assert worker.events("worker stopped", handed_back=1)


def test_a_worker_that_grows_too_large_is_replaced(bare_stack: Stack, job: str) -> None:
    """Over its memory limit a worker drains and ends in order, for its supervisor to start."""
    worker = bare_stack.add_worker("a", awaited="worker to be replaced", WORKER_MEMORY_MIB="1")

    assert worker.child is not None
    assert worker.child.wait(10) == 0


def test_a_worker_with_too_many_stuck_threads_is_replaced(bare_stack: Stack, job: str) -> None:
    """Each step that ran out of time fails and is counted; at last the worker ends in order."""
    worker = bare_stack.add_worker("a", "tests.support.worker.odd", WORKER_DRAIN_SECONDS="1")
    for n in range(MOST_LEFT_BEHIND + 20):
        bare_stack.create(f"{job}-{n}", "hangs", 60)

    assert worker.child is not None
    assert worker.child.wait(30) == 0
    counts = [event["threads"] for event in worker.events("thread left behind")]
    assert max(counts) > MOST_LEFT_BEHIND
    assert worker.events("worker to be replaced")


@pytest.mark.long
def test_giving_up_takes_no_time(bare_stack: Stack, job: str) -> None:
    """From the moment a stopping worker gives a job up to the next step elsewhere: under 0.15 s."""
    taken = []
    bare_stack.add_worker("w0", WORKER_DRAIN_SECONDS="0")
    for n in range(1, 11):
        id, name = f"{job}-{n}", f"w{n}"
        bare_stack.begin(id, "checkout", {"pace": 0.5})
        holder = began(bare_stack, id, "charge")
        bare_stack.add_worker(name, WORKER_DRAIN_SECONDS="0")
        bare_stack.workers[holder].stop()
        given_up = stamp(bare_stack.workers[holder].events("worker stopped")[0]["timestamp"])
        next_worker = bare_stack.workers[name]
        began_at = wait_until(partial(next_worker.events, "step started", id=id))
        taken.append(stamp(began_at[0]["timestamp"]) - given_up)
        bare_stack.outcome(id)
    assert statistics.median(taken) < 0.15, taken


@pytest.mark.long
def test_a_backlog_and_one_worker(bare_stack: Stack, job: str) -> None:
    """2,000 jobs that waited for a worker all end on the first worker that comes."""
    jobs = [f"{job}-{n}" for n in range(2000)]
    with ThreadPoolExecutor(32) as pool:
        assert {answer.status for answer in pool.map(bare_stack.begin, jobs)} == {202}

    worker = bare_stack.add_worker("only")

    with ThreadPoolExecutor(8) as pool:
        ended = list(pool.map(lambda id: bare_stack.outcome(id, 60), jobs))
    assert {state["status"] for state in ended} == {"resolved"}
    assert worker.running()


def test_a_worker_that_joins_takes_its_share(bare_stack: Stack, job: str) -> None:
    """Of 450 jobs of 0.2 s that one worker was offered, a second takes a third of what is left."""
    bare_stack.add_worker("first")
    jobs = [f"{job}-{n}" for n in range(450)]
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(lambda id: bare_stack.begin(id, "checkout", {"pace": 0.04}), jobs))
    first = bare_stack.workers["first"]
    wait_until(
        lambda: len(first.events("step started", step="notify")) >= 120, seconds=30, what="120 jobs"
    )

    bare_stack.add_worker("second")
    left = set(jobs) - {e["execution"] for e in first.events("step started", step="reserve")}

    for id in jobs:
        bare_stack.outcome(id, 40)
    second = {
        e["execution"] for e in bare_stack.workers["second"].events("step started", step="notify")
    }
    assert len(second) >= len(left) / 3
