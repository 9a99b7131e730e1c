"""The `finally` of a function runs whenever its body is closed: at each wait, and at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.processes import call, wait_until
from tests.support.stack import running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.stack import Stack

WAITS = 3
"""Waits of `tidy_after_waits`: a sleep, a child, a signal."""


@pytest.fixture(name="stack", scope="module")
def _stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("tidying"), workers=0) as stack:
        stack.add_worker("tidying", "tests.support.worker.tidying", WORKER_CONCURRENCY="1")
        yield stack


def lines(path: Path) -> list[str]:
    """Return the lines that a `finally` has left: in which thread it ran."""
    return path.read_text().splitlines() if path.exists() else []


def waiting(stack: Stack, job: str, path: Path) -> None:
    """Begin an execution, and wait until it is set aside for the third time."""
    stack.create(job, "tidy_after_waits", str(path))
    wait_until(lambda: len(lines(path)) >= WAITS, seconds=60, what="the third wait")


def test_it_runs_at_each_wait_and_at_the_end(stack: Stack, job: str, tmp_path: Path) -> None:
    """At a wait it runs in a thread that nothing else needs, and never twice for one wait."""
    path = tmp_path / "lines"
    waiting(stack, job, path)

    stack.signal(job, None, "go")
    assert stack.outcome(job)["status"] == "resolved"

    assert lines(path)[:WAITS] == ["closing"] * WAITS
    assert len(lines(path)) == WAITS + 1


def test_it_does_not_run_again_for_a_canceled_execution_that_waits(
    stack: Stack, job: str, tmp_path: Path
) -> None:
    """No worker holds the execution, so none runs its `finally` once more."""
    path = tmp_path / "lines"
    waiting(stack, job, path)

    call(f"{stack.url}/cancel?id={job}", "POST")
    assert stack.outcome(job)["status"] == "canceled"
    stack.begin(f"{job}-after", "foo")
    stack.outcome(f"{job}-after")

    assert len(lines(path)) == WAITS


def test_one_that_hangs_holds_no_thread_of_the_worker(stack: Stack, job: str) -> None:
    """The slot takes the next execution, and the thread is counted as left behind."""
    worker = stack.workers["tidying"]
    stack.create(job, "hang_when_set_aside")
    stack.suspended(job)

    stack.begin(f"{job}-after", "foo")
    assert stack.outcome(f"{job}-after")["status"] == "resolved"
    wait_until(
        lambda: worker.events("thread left behind", execution=job),
        seconds=60,
        what="the hung thread",
    )
    assert worker.running()


def test_a_wait_runs_no_step_of_finally(stack: Stack, job: str, tmp_path: Path) -> None:
    """At a wait `with` and `finally` run, `except` does not; their steps run at the end only."""
    path = tmp_path / "lines"
    stack.create(job, "undo_after_wait", str(path))
    stack.suspended(job)
    wait_until(lambda: lines(path) == ["with", "finally"], what="the end of both blocks")
    assert stack.starts(job) == []

    stack.signal(job, None, "go")

    assert stack.outcome(job)["status"] == "resolved"
    assert lines(path) == ["with", "finally"] * 2
    assert [step for _, step in stack.starts(job)] == ["tidy"]


@pytest.mark.parametrize("end", ["canceled", "timedout"])
def test_an_execution_that_is_over_runs_finally_only(
    stack: Stack, job: str, tmp_path: Path, end: str
) -> None:
    """Canceled or late, an execution ends without its `except` blocks and without another step."""
    path = tmp_path / "lines"
    stack.create(job, "undo_after_step", str(path), seconds=2 if end == "timedout" else 60)
    wait_until(lambda: stack.starts(job), what="the step")

    if end == "canceled":
        call(f"{stack.url}/cancel?id={job}", "POST")

    wait_until(lambda: len(lines(path)) == 2, what="the end of both blocks")
    stack.begin(f"{job}-after", "foo")
    stack.outcome(f"{job}-after")
    assert stack.state(job)["status"] == end
    assert lines(path) == ["with", "finally"]
    assert [step for _, step in stack.starts(job)] == ["long"]
