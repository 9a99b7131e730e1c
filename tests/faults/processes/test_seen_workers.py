"""Gateways, the server and workers come and go; no worker that lives is taken for dead."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.catalog import CHECKOUT
from tests.support.faults.presence.seen import deaths, mistakes, wait_until_seen
from tests.support.faults.starts import Starts
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from tests.support.stack import Stack

pytestmark = pytest.mark.parametrize("presence", [True])

AT_ONCE = 1.0
"""Seconds to the next step that no lease allows."""

FROZEN_SECONDS = 1.2
"""Less than a lease, and far more than a gateway waits for a worker that it takes for dead."""

JOBS = 12


def begin_all(stack: Stack, job: str) -> list[str]:
    """Begin executions and return their ids once gateways see the workers and one of them runs."""
    wait_until_seen(stack)
    ids = [f"{job}-{number}" for number in range(JOBS)]
    for id in ids:
        assert stack.begin(id, "checkout", {"pace": 0.2}).status == 202
    wait_until(lambda: stack.starts(ids[0]), what="a start")
    return ids


def seen_pair(stack: Stack, **environment: str) -> Starts:
    """Start two workers; return what tells of their steps once gateways see them."""
    for name in ("a", "b"):
        stack.add_worker(name, **environment)
    wait_until_seen(stack)
    return Starts(lambda: stack.workers)


def check_undisturbed(stack: Stack, ids: list[str]) -> None:
    """Check that all executions end as if nothing had happened."""
    for id in ids:
        ended = stack.outcome(id, 40)
        assert (ended["status"], ended["attempt"]) == ("resolved", 1), ended
        assert [step for _, step in stack.starts(id)] == CHECKOUT


def check_noticed(stack: Stack, id: str) -> str:
    """Kill the holder of an execution, check that another goes on at once; return the holder."""
    wait_until_seen(stack)
    starts = Starts(lambda: stack.workers)
    stack.begin(id, "checkout", {"pace": 0.2})
    holder = starts.holder(id)
    assert starts.kill_holder(id) < AT_ONCE
    assert stack.outcome(id)["status"] == "resolved"
    return holder


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_only_gateway_ends_and_comes_back(
    bare_stack: Stack, job: str, number: signal.Signals
) -> None:
    """Nothing is lost or repeated while there is none; the next one notices a death."""
    for name in ("a", "b"):
        bare_stack.add_worker(name)
    ids = begin_all(bare_stack, job)
    gateway = bare_stack.gateways["gateway"]
    gateway.signal(number)
    assert gateway.child is not None
    gateway.child.wait(20)

    bare_stack.url = bare_stack.add_gateway()

    check_undisturbed(bare_stack, ids)
    assert (deaths(bare_stack), mistakes(bare_stack)) == ([], [])
    assert check_noticed(bare_stack, f"{job}-seen") in deaths(bare_stack)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_one_of_two_gateways_ends(bare_stack: Stack, job: str, number: signal.Signals) -> None:
    """The other one sees all workers; both do when the first is back, and agree on a death."""
    other = bare_stack.add_gateway("other")
    for name in ("a", "b", "c"):
        bare_stack.add_worker(name)
    ids = begin_all(bare_stack, job)
    gateway = bare_stack.gateways["gateway"]
    gateway.signal(number)
    assert gateway.child is not None
    gateway.child.wait(20)
    bare_stack.url = other

    check_undisturbed(bare_stack, ids)
    assert (deaths(bare_stack), mistakes(bare_stack)) == ([], [])
    first = check_noticed(bare_stack, f"{job}-other")
    assert deaths(bare_stack) == [first]

    bare_stack.add_gateway()
    second = check_noticed(bare_stack, f"{job}-both")
    wait_until(lambda: deaths(bare_stack) == [second, first, second], what="both notices")
    assert mistakes(bare_stack) == []


def test_the_server_is_restarted(bare_stack: Stack, job: str) -> None:
    """Its absence says nothing of workers; when it is back a death is noticed as before."""
    for name in ("a", "b"):
        bare_stack.add_worker(name)
    ids = begin_all(bare_stack, job)

    bare_stack.server.kill()
    bare_stack.server.start()

    for id in ids:
        assert bare_stack.outcome(id, 40)["status"] == "resolved"
    assert (deaths(bare_stack), mistakes(bare_stack)) == ([], [])
    check_noticed(bare_stack, f"{job}-seen")


def test_a_worker_dies_while_the_server_is_away(bare_stack: Stack, job: str) -> None:
    """Then its claims cannot be dropped, and are left to their leases."""
    starts = seen_pair(bare_stack)
    bare_stack.begin(job, "checkout", {"pace": 0.5})
    holder = starts.holder(job)
    bare_stack.server.kill()

    bare_stack.workers[holder].kill()
    bare_stack.server.start()

    assert bare_stack.outcome(job, 40)["status"] == "resolved"
    assert len(starts.of(job)) <= len(CHECKOUT) + 1


def test_a_frozen_worker_is_not_missed(bare_stack: Stack, job: str) -> None:
    """A worker that is stopped for less than a lease keeps its execution."""
    starts = seen_pair(bare_stack, WORKER_LEASE_SECONDS="4")
    bare_stack.begin(job, "checkout", {"pace": 0.5})
    frozen = bare_stack.workers[starts.holder(job)]

    frozen.signal(signal.SIGSTOP)
    thaw_at = time.monotonic() + FROZEN_SECONDS
    wait_until(lambda: time.monotonic() > thaw_at, what="the thaw")
    frozen.signal(signal.SIGCONT)

    check_undisturbed(bare_stack, [job])
    assert (deaths(bare_stack), mistakes(bare_stack)) == ([], [])


def test_a_worker_dies_while_it_is_frozen(bare_stack: Stack, job: str) -> None:
    """A stopped worker that is killed is as dead as any other."""
    starts = seen_pair(bare_stack, WORKER_LEASE_SECONDS="10")
    bare_stack.begin(job, "checkout", {"pace": 0.3})
    bare_stack.workers[starts.holder(job)].signal(signal.SIGSTOP)

    assert starts.kill_holder(job) < AT_ONCE

    assert bare_stack.outcome(job)["status"] == "resolved"


def test_a_frozen_gateway_notices_when_it_thaws(bare_stack: Stack, job: str) -> None:
    """What it finds then is over: the leases have ended, and others hold the executions."""
    starts = seen_pair(bare_stack)
    bare_stack.begin(job, "checkout", {"pace": 0.8})
    gateway, holder = bare_stack.gateways["gateway"], starts.holder(job)
    wait_until(lambda: bare_stack.state(job, steps=True)["steps"], what="its record")
    gateway.signal(signal.SIGSTOP)

    starts.kill_holder(job)
    gateway.signal(signal.SIGCONT)

    wait_until(lambda: deaths(bare_stack) == [holder], what="the notice")
    ended = bare_stack.outcome(job)
    assert (ended["status"], ended["attempt"]) == ("resolved", 2)
    assert len(starts.of(job)) == len(CHECKOUT) + 1
