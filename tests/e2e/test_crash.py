"""Containers die, and every accepted job ends."""

from __future__ import annotations

import statistics
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.support.compose import DRAIN_SECONDS, PREFIX, docker
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from tests.support.compose import Compose

STEPS = ["reserve", "charge", "pack", "ship", "notify"]


@pytest.mark.parametrize("step", STEPS)
def test_another_worker_goes_on(compose: Compose, job: str, step: str) -> None:
    """`docker kill` of the holder at any step: the next starts elsewhere within 4 s of it."""
    compose.begin(job, "checkout", {"pace": 0.8})
    holder = compose.running(job, step)

    compose.kill(holder)

    ended = compose.outcome(job)
    assert (ended["status"], ended["recovered_from"], ended["attempt"]) == ("resolved", holder, 2)
    assert ended["worker"] != holder
    assert compose.step_counts(job) == Counter({**dict.fromkeys(STEPS, 1), step: 2})
    killed = datetime.fromisoformat(compose.inspect(holder)["State"]["FinishedAt"][:26] + "+00:00")
    again = [at for at, worker, name in compose.starts(job) if name == step and worker != holder]
    assert (datetime.fromisoformat(again[0]) - killed).total_seconds() < 4


def greetings_of(worker: str) -> int:
    """Return how often a worker's log says that gateways see it."""
    return docker("logs", PREFIX + worker).count('"gateways see this worker"')


def test_a_killed_container_costs_no_lease(compose: Compose, job: str) -> None:
    """`docker kill` of the holder, ten times: half of the next steps begin within 0.4 s."""
    waits = []
    for n in range(10):
        id, step = f"{job}-{n}", STEPS[n % len(STEPS)]
        compose.begin(id, "checkout", {"pace": 0.4})
        holder = compose.running(id, step)
        before = datetime.now(UTC)

        compose.kill(holder)

        greetings = greetings_of(holder)
        wait_until(lambda: compose.state(id).get("recovered_from") == holder, what=id)  # noqa: B023
        compose.start(holder)
        compose.outcome(id)
        _, again = (at for at, _, name in compose.starts(id) if name == step)
        waits.append((datetime.fromisoformat(again) - before).total_seconds())
        wait_until(lambda: greetings_of(holder) > greetings, what=f"a welcome of {holder}")  # noqa: B023

    assert (statistics.median(waits) <= 0.4, max(waits) < 2) == (True, True), waits


def test_what_was_killed_stays_down_until_it_is_revived(compose: Compose) -> None:
    """A killed container stays down until `docker compose up -d` brings it back."""
    compose.kill("worker-2")
    assert compose.containers()["worker-2"] == "exited"

    compose("up", "--no-build", "--wait")

    assert compose.containers()["worker-2"] == "running"


def test_a_worker_that_crashes_by_itself_is_restarted(compose: Compose) -> None:
    """After a crash inside the container Docker starts it again."""
    before = compose.inspect("worker-1")["State"]["StartedAt"]
    compose.crash("worker-1")

    def restarted() -> bool:
        state = compose.inspect("worker-1")["State"]
        return bool(state["Running"]) and state["StartedAt"] != before

    wait_until(restarted, seconds=20, what="a restart")


def test_stopping_the_holder_hands_its_job_on(compose: Compose, job: str) -> None:
    """`docker compose stop` of the holder with a job that outlasts the drain: another goes on."""
    compose.begin(job, "checkout", {"pace": 0.5 * DRAIN_SECONDS})
    holder = compose.running(job, "reserve")

    compose("stop", holder)

    ended = compose.outcome(job)
    assert (ended["status"], ended["recovered_from"]) == ("resolved", holder)
    assert ended["worker"] != holder


@pytest.mark.parametrize("how", ["restart", "kill"])
def test_the_server_dies_under_load(compose: Compose, job: str, how: str) -> None:
    """While the server is away begins answer 503; every accepted job ends once it is back."""
    statuses: Counter[int] = Counter()
    accepted: list[str] = []

    def begin(n: int) -> None:
        id = f"{job}-{n}"
        status = compose.begin(id, "checkout" if n % 5 == 0 else "foo", {"pace": 0.1}).status
        statuses[status] += 1
        if status == 202:
            accepted.append(id)

    with ThreadPoolExecutor(16) as pool:
        first = [pool.submit(begin, n) for n in range(150)]
        wait_until(lambda: len(accepted) > 50, what="fifty begins")
        if how == "restart":
            docker("restart", f"{PREFIX}resonate")
        else:
            compose.kill("resonate")
            wait_until(lambda: compose.begin(f"{job}-away").status == 503, what="a 503")
            compose.start("resonate")
        for future in first:
            future.result()
        wait_until(
            lambda: compose.begin(f"{job}-back").status in {200, 202}, seconds=30, what="a begin"
        )
        ended = list(pool.map(lambda id: compose.outcome(id, seconds=60), accepted))

    assert set(statuses) <= {202, 503}
    assert {state["status"] for state in ended} == {"resolved"}


def test_the_gateway_is_killed(compose: Compose, job: str) -> None:
    """A gateway keeps nothing: started again, it answers for what it accepted before."""
    compose.begin(job, "checkout", {"pace": 0.3})

    compose.kill("gateway")
    compose.start("gateway")

    assert compose.outcome(job)["status"] == "resolved"
