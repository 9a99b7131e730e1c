"""Workers are killed at any moment; another goes on at once where gateways see the workers."""

from __future__ import annotations

import random
import statistics
import time
from itertools import groupby
from typing import TYPE_CHECKING

import pytest

from tests.support.catalog import CHECKOUT
from tests.support.faults.load import begins
from tests.support.faults.presence.seen import deaths, mistakes, wait_until_seen
from tests.support.faults.starts import Starts
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from tests.support.stack import Stack

SEED = 7
PACE = 0.2
KILLS = 4
LOAD = 50
"""Begins a second: what two of three workers do beside the other tests of a small machine."""

MEDIAN_SECONDS = 0.4
MOST_SECONDS = 1.5
"""Seconds to the next step, well below those of a lease; `python -m bench recovery` measures."""


def wait_for(seconds: float) -> None:
    """Let a random time pass, at whose end something is done to a worker."""
    end = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() >= end, what="the moment")


def check_steps(stack: Stack, starts: Starts, id: str) -> None:
    """Check the result of a checkout whose worker was killed: one step at most was repeated."""
    ended = stack.outcome(id)
    steps = [start.step for start in starts.of(id)]
    assert ended["status"] == "resolved", ended
    assert list(ended["result"]["receipts"]) == CHECKOUT
    assert [step for step, _ in groupby(steps)] == CHECKOUT
    assert len(steps) <= len(CHECKOUT) + 1
    assert [step["name"] for step in ended["steps"]] == CHECKOUT


@pytest.mark.alone
@pytest.mark.parametrize("presence", [True])
@pytest.mark.parametrize("rate", [0, LOAD])
def test_another_worker_goes_on_at_once(own_stack: Stack, job: str, rate: int) -> None:
    """From a SIGKILL at a random moment to the next step elsewhere; no finished step again."""
    chance, starts = random.Random(SEED), Starts(lambda: own_stack.workers)
    taken = []
    with begins(own_stack, job, rate or 0.001) as load:
        for number in range(KILLS):
            id = f"{job}-{number}"
            own_stack.begin(id, "checkout", {"pace": PACE})
            holder = starts.holder(id)
            wait_for(chance.uniform(0, 4 * PACE))
            taken.append(starts.kill_holder(id))
            check_steps(own_stack, starts, id)
            own_stack.workers[holder].start()
            own_stack.workers[holder].started("stream opened")
            wait_until_seen(own_stack)

    assert {own_stack.outcome(id)["status"] for id in load} <= {"resolved"}
    assert statistics.median(taken) < MEDIAN_SECONDS, taken
    assert max(taken) < MOST_SECONDS, taken
    assert mistakes(own_stack) == []


@pytest.mark.alone
@pytest.mark.parametrize("presence", [True])
def test_many_jobs_of_one_worker(own_stack: Stack, job: str) -> None:
    """All that a killed worker held goes on at once, and so does what was offered to it."""
    starts, ids = Starts(lambda: own_stack.workers), [f"{job}-{number}" for number in range(40)]
    for id in ids:
        own_stack.begin(id, "checkout", {"pace": PACE})
    holders = {id: starts.holder(id) for id in ids[:20]}
    victim = holders[ids[0]]
    killed_at = time.time()

    own_stack.workers[victim].kill()

    for id in ids:
        check_steps(own_stack, starts, id)
    repeated = [id for id, holder in holders.items() if holder == victim]
    times = [starts.next_elsewhere(id, victim, killed_at) - killed_at for id in repeated]
    assert max(times) < MOST_SECONDS, times


@pytest.mark.alone
@pytest.mark.parametrize("presence", [True, False])
def test_a_worker_without_time_to_drain(own_stack: Stack, job: str) -> None:
    """SIGTERM hands the execution back at once; nobody has to notice a death for that."""
    starts = Starts(lambda: own_stack.workers)
    for name in list(own_stack.workers):
        own_stack.workers[name].stop()
        own_stack.add_worker(name, WORKER_DRAIN_SECONDS="0")
    taken = []
    for number in range(3):
        id = f"{job}-{number}"
        own_stack.begin(id, "checkout", {"pace": PACE})
        holder = starts.holder(id)
        stopped_at = time.time()
        assert own_stack.workers[holder].stop() == 0
        taken.append(starts.next_elsewhere(id, holder, stopped_at) - stopped_at)
        own_stack.add_worker(holder, WORKER_DRAIN_SECONDS="0")
        check_steps(own_stack, starts, id)
    assert statistics.median(taken) < MEDIAN_SECONDS, taken
    assert deaths(own_stack) == []
