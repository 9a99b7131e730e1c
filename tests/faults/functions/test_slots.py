"""A slot belongs to its claim: it is given back when the claim is over, whatever the code does."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.processes import wait_until
from tests.support.stack import running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.stack import Stack

STUCK = "tests.support.worker.stuck"
WORKERS = 3
SLOTS = 16 * WORKERS
NOTICED_SECONDS = 20.0
"""Seconds in which a loaded machine notices what an idle one does in two; what hangs, hangs on."""


@pytest.fixture(name="stuck", scope="module")
def _stuck(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Yield a service with three workers that never replace themselves here."""
    with running_stack(tmp_path_factory.mktemp("stuck"), workers=0) as stack:
        for number in range(1, WORKERS + 1):
            stack.add_worker(f"worker-{number}", STUCK)
        yield stack


@pytest.fixture(name="narrow")
def _narrow(bare_stack: Stack) -> Stack:
    """Return a service whose one worker has one slot, for this test alone."""
    bare_stack.add_worker("a", STUCK, WORKER_CONCURRENCY="1", WORKER_DRAIN_SECONDS="0")
    return bare_stack


def events(stack: Stack, event: str, prefix: str) -> list[dict[str, Any]]:
    """Return the events of all workers about the executions whose ids begin like this."""
    found = [each for worker in stack.workers.values() for each in worker.events(event)]
    return [each for each in found if str(each.get("execution", "")).startswith(prefix)]


def cancel(stack: Stack, *ids: str) -> None:
    """Cancel executions."""
    with stack.store() as store:
        for id in ids:
            store.promises.cancel(id)


def runs(stack: Stack, id: str, seconds: float) -> None:
    """Wait until a healthy execution has resolved, within this time."""
    stack.begin(id)
    assert stack.outcome(id, seconds)["status"] == "resolved"


@pytest.mark.alone
def test_a_hundred_hung_steps_that_are_canceled(stuck: Stack, job: str) -> None:
    """All slots are free within 5 s, and the next execution runs at once."""
    ids = [f"{job}-{n}" for n in range(100)]
    for id in ids:
        stuck.create(id, "hang", seconds=3600)
    wait_until(lambda: len(events(stuck, "step started", job)) == SLOTS, what="full slots")

    cancel(stuck, *ids)

    wait_until(
        lambda: len(events(stuck, "slot given back", job)) == SLOTS, seconds=5, what="free slots"
    )
    runs(stuck, f"{job}-after", 1)
    wait_until(lambda: len(events(stuck, "thread left behind", job)) == SLOTS, what="the count")
    assert {each["step"] for each in events(stuck, "thread left behind", job)} == {"hang"}
    assert all(worker.running() for worker in stuck.workers.values())


@pytest.mark.alone
def test_hung_steps_past_their_deadline(stuck: Stack, job: str) -> None:
    """The slots of executions that time out are free soon after."""
    for n in range(32):
        stuck.create(f"{job}-{n}", "checkout", {"pace": 86400}, seconds=10)
    began = time.monotonic()
    wait_until(lambda: len(events(stuck, "step started", job)) == 32, what="the steps")

    wait_until(
        lambda: len(events(stuck, "slot given back", job)) == 32,
        seconds=10 + NOTICED_SECONDS,
        what="free slots",
    )

    assert time.monotonic() - began < 10 + NOTICED_SECONDS
    runs(stuck, f"{job}-after", 1)


@pytest.mark.parametrize("function", ["hang", "hang_in_body", "hang_in_finally"])
def test_a_slot_after_a_cancel(narrow: Stack, job: str, function: str, tmp_path: Path) -> None:
    """Wherever the code hangs, its slot is free within two seconds after a cancel."""
    began = tmp_path / "began"
    narrow.create(job, function, str(began) if function == "hang_in_body" else None, seconds=3600)
    worker = narrow.workers["a"]
    wait_until(lambda: began.exists() or narrow.starts(job), what="the code that hangs")

    cancel(narrow, job)

    runs(narrow, f"{job}-after", NOTICED_SECONDS)
    wait_until(lambda: worker.events("thread left behind", execution=job), what="the count")
    assert worker.running()


def test_a_body_is_closed_beside_a_hung_step(narrow: Stack, job: str, tmp_path: Path) -> None:
    """The `finally` of a canceled execution runs although its step hangs on."""
    narrow.create(job, "tidy", str(tmp_path / "tidied"))
    wait_until(lambda: narrow.starts(job), what="the step")

    cancel(narrow, job)

    wait_until((tmp_path / "tidied").exists, seconds=NOTICED_SECONDS, what="the finally")


def test_a_slot_that_waits_for_the_next_attempt(narrow: Stack, job: str, tmp_path: Path) -> None:
    """A long pause between two attempts holds no slot after a cancel, and the body ends."""
    narrow.create(job, "wait_for_next_try", str(tmp_path / "tidied"))
    wait_until(lambda: narrow.workers["a"].events("step failed", execution=job), what="the failure")

    cancel(narrow, job)

    runs(narrow, f"{job}-after", NOTICED_SECONDS)
    wait_until((tmp_path / "tidied").exists, seconds=5, what="the finally")
    assert not narrow.workers["a"].events("thread left behind")


def test_a_step_that_asks_stops_by_itself(narrow: Stack, job: str, tmp_path: Path) -> None:
    """`step.canceled()` turns True within two seconds, and no thread is left behind."""
    narrow.create(job, "listen", str(tmp_path / "stopped"))
    wait_until(lambda: narrow.starts(job), what="the step")

    cancel(narrow, job)

    wait_until((tmp_path / "stopped").exists, seconds=NOTICED_SECONDS, what="the step's end")
    runs(narrow, f"{job}-after", 1)
    assert not narrow.workers["a"].events("thread left behind")


def test_a_thread_that_comes_back(narrow: Stack, job: str) -> None:
    """A thread that was left behind is named again when it ends, and its result is thrown away."""
    narrow.create(job, "hang", 3)
    wait_until(lambda: narrow.starts(job), what="the step")
    cancel(narrow, job)
    worker = narrow.workers["a"]

    wait_until(lambda: worker.events("thread left behind has ended", execution=job), what="the end")

    (left,) = worker.events("thread left behind", execution=job)
    assert (left["step"], left["threads"], left["seconds"] > 1) == ("hang", 1, True)
    assert narrow.state(job)["status"] == "canceled"
    runs(narrow, f"{job}-after", 1)


def test_a_step_without_a_timeout_has_the_default(
    bare_stack: Stack, job: str, tmp_path: Path
) -> None:
    """An attempt that exceeds the worker's limit has failed; the execution goes on in its slot."""
    worker = bare_stack.add_worker(
        "a", STUCK, WORKER_CONCURRENCY="1", WORKER_STEP_TIMEOUT_SECONDS="0.5"
    )
    bare_stack.create(job, "slow_once", str(tmp_path / "stopped"))

    assert bare_stack.outcome(job)["result"] == 2
    wait_until((tmp_path / "stopped").exists, what="the first attempt's end")
    (failed,) = worker.events("step failed", execution=job)
    assert failed["error"] == "StepTimeout('not done within 0.5 s')"
    assert not worker.events("slot given back")


def test_a_claim_that_another_worker_took(bare_stack: Stack, job: str) -> None:
    """A worker that was frozen past its lease gives the slot of a hung step back."""
    frozen = bare_stack.add_worker("a", STUCK, WORKER_CONCURRENCY="1", WORKER_LEASE_SECONDS="1")
    bare_stack.create(job, "hang", seconds=3600)
    wait_until(lambda: bare_stack.starts(job), what="the step")
    frozen.signal(signal.SIGSTOP)
    bare_stack.add_worker("b", STUCK)
    wait_until(lambda: ("b", "hang") in bare_stack.starts(job), what="the recovery")

    frozen.signal(signal.SIGCONT)

    wait_until(lambda: frozen.events("slot given back", execution=job), what="the slot")
    runs(bare_stack, f"{job}-after", 5)
    assert not bare_stack.workers["b"].events("slot given back")


def test_an_outage_takes_no_slot_away(bare_stack: Stack, job: str) -> None:
    """A running step outlives an answerless server, if its lease does."""
    worker = bare_stack.add_worker("a", STUCK, WORKER_LEASE_SECONDS="10")
    bare_stack.create(job, "hang", 4)
    wait_until(lambda: bare_stack.starts(job), what="the step")
    bare_stack.server.signal(signal.SIGSTOP)
    time.sleep(2)  # the outage
    bare_stack.server.signal(signal.SIGCONT)

    assert bare_stack.outcome(job)["status"] == "resolved"
    assert not worker.events("slot given back")


def test_a_dead_thread_of_a_client_in_use(bare_stack: Stack, job: str) -> None:
    """Threads that were left behind do not hide that another client has lost one of its own."""
    worker = bare_stack.add_worker("a", STUCK, WORKER_CONCURRENCY="2")
    bare_stack.create(f"{job}-1", "hang_in_body", seconds=1)
    wait_until(lambda: worker.events("slot given back", execution=f"{job}-1"), what="the slot")

    bare_stack.create(f"{job}-2", "end_bridges")
    wait_until(lambda: bare_stack.state(f"{job}-2")["done"], what="the end of `end_bridges`")
    bare_stack.create(f"{job}-3", "hang_in_body", seconds=1)

    assert worker.child is not None
    assert worker.child.wait(10) == 1
    (broken,) = worker.events("worker broken")
    assert broken["reason"] == "a bridge thread of the SDK is gone"
