"""What happens when parts of the service die while executions run."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.support.catalog import CHECKOUT
from tests.support.processes import call, wait_until
from tests.support.stack import running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.stack import Stack

LEASE_SECONDS = 2.0
"""As in the worker's default settings."""


@pytest.fixture(name="stack", scope="module", params=[True, False], ids=["seen", "unseen"])
def _stack(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Stack]:
    """Yield a service whose gateway sees the workers, and one where only leases tell of deaths."""
    with running_stack(tmp_path_factory.mktemp("stack"), presence=request.param) as stack:
        yield stack


def running_step(stack: Stack, job: str, step: str) -> str:
    """Wait until clients see that a worker runs the step; return the worker's name."""
    running = wait_until(
        lambda: [each for each in stack.state(job, steps=True)["steps"] if each["name"] == step],
        what=f"start of {step}",
    )
    return str(running[0]["worker"])


@pytest.mark.alone
@pytest.mark.parametrize("step", ["reserve", "pack", "notify"])
def test_another_worker_goes_on(stack: Stack, job: str, step: str) -> None:
    """When the holder is killed, another goes on at the interrupted step, and only that repeats."""
    stack.begin(job, "checkout", {"pace": 0.6})
    holder = running_step(stack, job, step)

    stack.workers[holder].kill()
    killed_at = time.monotonic()
    wait_until(lambda: len({worker for worker, _ in stack.starts(job)}) > 1, what="a takeover")
    took_over_after = time.monotonic() - killed_at
    stack.add_worker(holder)

    ended = stack.outcome(job)
    starts = stack.starts(job)
    assert ended["status"] == "resolved"
    assert Counter(name for _, name in starts) == {**dict.fromkeys(CHECKOUT, 1), step: 2}
    survivor = starts[-1][0]
    assert survivor != holder
    assert (ended["worker"], ended["attempt"], ended["recovered_from"]) == (survivor, 2, holder)
    before = CHECKOUT[: CHECKOUT.index(step)]
    assert [entry["worker"] for entry in ended["steps"]] == [
        holder if name in before else survivor for name in CHECKOUT
    ]
    assert took_over_after < 2 * LEASE_SECONDS


def test_a_stopped_worker_hands_its_work_back(own_stack: Stack, job: str) -> None:
    """SIGTERM without time to drain hands the execution back; another goes on before any lease."""
    own_stack.workers["worker-1"].stop()
    own_stack.workers["worker-2"].stop()
    own_stack.workers["worker-3"].stop()
    hasty = own_stack.add_worker("hasty", WORKER_DRAIN_SECONDS="0", WORKER_LEASE_SECONDS="60")
    own_stack.begin(job, "checkout", {"pace": 1.5})
    assert running_step(own_stack, job, "charge") == "hasty"
    own_stack.add_worker("successor")

    code = hasty.stop()

    ended = own_stack.outcome(job)
    assert code == 0
    assert hasty.events("worker stopped", handed_back=1)
    assert (ended["status"], ended["worker"]) == ("resolved", "successor")


def test_a_draining_worker_finishes_what_runs(own_stack: Stack, job: str) -> None:
    """SIGTERM with time to drain: the execution ends where it is, and the exit code is 0."""
    own_stack.begin(job, "checkout", {"pace": 0.2})
    holder = running_step(own_stack, job, "reserve")

    code = own_stack.workers[holder].stop()

    ended = own_stack.outcome(job)
    assert (code, ended["status"], ended["worker"], ended["attempt"]) == (0, "resolved", holder, 1)


def test_the_server_dies_and_comes_back(own_stack: Stack, job: str) -> None:
    """While the server is away begins answer 503; when it is back all accepted executions end."""
    accepted = [f"{job}-{n}" for n in range(60)]
    with ThreadPoolExecutor(16) as pool:
        for answer in pool.map(lambda id: own_stack.begin(id, "checkout", {"pace": 0.2}), accepted):
            assert answer.status == 202
        own_stack.server.kill()
        refused = own_stack.begin(f"{job}-away")
        unknown = call(f"{own_stack.url}/wait?id={job}-0")
        own_stack.server.start()

        ended = list(pool.map(lambda id: own_stack.outcome(id, seconds=60), accepted))

    assert (refused.status, refused.body["type"], refused.body["id"]) == (
        503,
        "/problems/backend-unavailable",
        f"{job}-away",
    )
    assert "Retry-After" in refused.headers
    assert unknown.status == 503
    assert {state["status"] for state in ended} == {"resolved"}
    assert all(worker.running() for worker in own_stack.workers.values())


def test_the_gateway_dies_and_comes_back(own_stack: Stack, job: str) -> None:
    """A gateway keeps nothing: another one answers for what the dead one accepted."""
    own_stack.begin(job, "checkout", {"pace": 0.1})
    own_stack.gateways["gateway"].kill()

    own_stack.url = own_stack.add_gateway("another")

    assert own_stack.outcome(job)["status"] == "resolved"
    assert own_stack.begin(job, "checkout", {"pace": 0.1}).body["created"] is False
