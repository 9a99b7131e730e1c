"""What a gateway knows of its workers, with real ones."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.processes import call, wait_until
from tests.support.stack import PRESENCE, SHIPPED_MODULES, running_stack

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.stack import Stack

pytestmark = pytest.mark.skipif(not PRESENCE, reason="workers have no connections to gateways")


def workers_of(stack: Stack) -> dict[str, Any]:
    """Return what /workers says, by the workers' names."""
    return {worker["name"]: worker for worker in call(f"{stack.url}/workers").body["workers"]}


def test_workers_are_known_as_long_as_they_live(tmp_path: Path) -> None:
    """A gateway lists who is there, what they serve and hold, who is silent, and no dead."""
    with running_stack(tmp_path, workers=2, modules=SHIPPED_MODULES) as stack:
        wait_until(lambda: len(workers_of(stack)) == 2, what="both workers")
        assert call(f"{stack.url}/readyz").body == {"status": "ok", "presence": "on"}
        assert stack.begin("job", "checkout").status == 202
        wait_until(lambda: stack.state("job").get("phase") == "running", what="the run")
        holder = stack.state("job")["worker"]
        seen = workers_of(stack)
        assert (seen[holder]["busy"], seen[holder]["slots"]) == (1, 16)
        assert seen[holder]["functions"]["checkout"] == [1]

        stack.workers[holder].signal(signal.SIGSTOP)
        wait_until(lambda: workers_of(stack)[holder]["silent"], what="the silence")
        assert stack.outcome("job")["status"] == "resolved"  # elsewhere, after its lease
        stack.workers[holder].signal(signal.SIGCONT)
        wait_until(lambda: not workers_of(stack)[holder]["silent"], what="its voice")

        stack.workers[holder].kill()
        wait_until(lambda: holder not in workers_of(stack), what="its absence")
        gateway = stack.gateways["gateway"]
        wait_until(lambda: gateway.events("worker died", worker=holder), what="the release")
        for worker in stack.workers.values():
            worker.end()
        wait_until(
            lambda: call(f"{stack.url}/readyz").body["presence"] == "no workers", what="the end"
        )


def test_a_run_is_seen_from_its_first_moment(tmp_path: Path) -> None:
    """A worker tells gateways of its claim, long before anything is stored of the run."""
    with running_stack(tmp_path, workers=1) as stack:
        wait_until(lambda: len(workers_of(stack)) == 1, what="the worker")
        assert stack.begin("job", "part", {"number": 1, "pace": 30}).status == 202

        wait_until(lambda: workers_of(stack)["worker-1"]["busy"], what="the claim")

        assert stack.state("job")["worker"] == "worker-1"
        assert call(f"{stack.url}/list?prefix=job").body["items"][0]["phase"] == "running"
