"""Processes that steps start: they end at signals, and keep nothing of their worker."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import wait_until
from tests.support.stack import running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.stack import Stack


@pytest.fixture(name="one", scope="module")
def _one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Yield a service with one worker."""
    with running_stack(tmp_path_factory.mktemp("one"), workers=0) as stack:
        stack.add_worker("a", "tests.support.worker.stuck")
        yield stack


def test_a_program_ends_at_sigterm(one: Stack, job: str) -> None:
    """A program that a step has started does not inherit blocked signals."""
    one.create(job, "end_child")

    assert one.outcome(job, 5)["result"] == -signal.SIGTERM


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_pool_of_processes(one: Stack, job: str, method: str) -> None:
    """A pool computes and closes, however it starts its processes, several times in a row."""
    ids = [f"{job}-{n}" for n in range(5)]
    for id in ids:
        one.create(id, "use_pool", method)
        assert one.outcome(id, 20)["result"] == [1, 2, 3]


def test_a_forked_child(one: Stack, job: str, tmp_path: Path) -> None:
    """A child of `os.fork` ends at SIGTERM, has no socket, and its worker lives on."""
    pid = one.workers["a"].pid
    one.create(job, "fork", str(tmp_path / "forked"))

    assert one.outcome(job, 10)["result"] == {"sockets": 0, "signal": signal.SIGTERM}
    assert (one.workers["a"].running(), one.workers["a"].pid) == (True, pid)
    one.begin(f"{job}-after")
    assert one.outcome(f"{job}-after", 5)["status"] == "resolved"


def test_sigterm_still_drains_the_worker(bare_stack: Stack, job: str) -> None:
    """The worker itself stops in order, also while pools have come and gone."""
    worker = bare_stack.add_worker("a", "tests.support.worker.stuck")
    bare_stack.create(job, "use_pool", "spawn")
    assert bare_stack.outcome(job, 20)["status"] == "resolved"
    bare_stack.create(f"{job}-2", "hang", 1)
    wait_until(lambda: bare_stack.starts(f"{job}-2"), what="the step")

    assert worker.stop() == 0
    assert bare_stack.state(f"{job}-2")["status"] == "resolved"
    assert worker.events("worker stopped")
