"""What ends its workers is not started for ever, and what ran beside it comes to its end."""

from __future__ import annotations

import signal
import time
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from tests.support.faults.supervisor import supervised
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from tests.support.stack import Stack

ODD = "tests.support.worker.odd"
MOST = 5


def value_of(stack: Stack, id: str) -> Any:
    """Return the stored result of an execution."""
    with stack.store() as store:
        return orjson.loads(orjson.loads(store.promises.get(id).value.data or "null"))


# Takes half a minute: six workers are lost, each with its lease, and suspects run in turn.
@pytest.mark.timeout(180)
@pytest.mark.parametrize(("workers", "presence"), [(1, True), (2, True), (3, True), (2, False)])
def test_a_step_that_ends_its_workers(bare_stack: Stack, job: str, workers: int) -> None:
    """The step is rejected after five starts that were recorded; nine long jobs beside it resolve.

    The first start is not, since it lasts less than the 50 ms after which one is.
    """
    for number in range(workers):
        bare_stack.add_worker(f"worker-{number}", ODD, WORKER_LEASE_SECONDS="1")
    others = [f"{job}-{n}" for n in range(9)]
    for id in others:
        bare_stack.create(id, "sleeps", 2.0, 300)
    wait_until(lambda: all(map(bare_stack.starts, others)), what="the starts of the others")

    with supervised(bare_stack) as supervisor:
        began = time.monotonic()
        bare_stack.create(job, "kills", None, 300)
        outcome = bare_stack.outcome(job, 60)
        seconds = time.monotonic() - began
        assert {bare_stack.outcome(id, 120)["status"] for id in others} == {"resolved"}

    assert (outcome["status"], seconds < 60) == ("rejected", True)
    failure = outcome["error"]
    assert (failure["type"], failure["step"], failure["attempts"]) == ("WorkerLost", "kills", MOST)
    assert "5 workers were lost while the step kills ran: worker-" in failure["message"]
    assert len(bare_stack.starts(job)) == MOST + 1
    assert len(supervisor.names) == MOST + 1
    most = max(Counter(bare_stack.starts(id)).most_common(1)[0][1] for id in others)
    assert most <= MOST + 1
    assert [step["name"] for step in outcome["steps"]] == ["kills"]


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("workers", [1, 2])
def test_four_that_end_their_workers(bare_stack: Stack, job: str, workers: int) -> None:
    """At once, slowly, by a crash and in the body: all four end, and six long jobs resolve."""
    for number in range(workers):
        bare_stack.add_worker(f"worker-{number}", ODD, WORKER_LEASE_SECONDS="1")
    others = [f"{job}-{n}" for n in range(6)]
    for id in others:
        bare_stack.create(id, "sleeps", 6.0, 300)
    wait_until(lambda: all(map(bare_stack.starts, others)), what="the starts of the others")

    with supervised(bare_stack):
        for id, function, value in (
            (f"a{job}", "kills", None),
            (f"z{job}", "kills", 0.5),
            (f"m{job}", "body_kills", 0),
        ):
            bare_stack.create(id, function, value, 300)
        bare_stack.create(f"{job}-4x", "segfaults", None, 300)
        lost = [bare_stack.outcome(f"{letter}{job}", 200)["error"]["type"] for letter in "azm"]
        statuses = {bare_stack.outcome(id, 200)["status"] for id in (*others, f"{job}-4x")}

    assert lost == ["WorkerLost"] * 3
    assert statuses == {"resolved"}


@pytest.mark.parametrize(
    ("function", "presence"), [("dies", True), ("segfaults", True), ("dies", False)]
)
def test_the_function_can_compensate(bare_stack: Stack, job: str, function: str) -> None:
    """The body is sent the failure of the lost step, and runs its compensation."""
    bare_stack.add_worker("a", ODD, WORKER_MAX_RECOVERIES="2", WORKER_LEASE_SECONDS="1")

    with supervised(bare_stack) as supervisor:
        bare_stack.create(job, function)
        assert bare_stack.outcome(job, 40)["status"] == "resolved"

    assert value_of(bare_stack, job) == {"caught": "WorkerLost", "attempts": 2}
    steps = [step for _, step in bare_stack.starts(job)]
    assert steps == ["before", "die", "die", "die", "compensate"]
    assert supervisor.names == ["a", "a", "a"]


@pytest.mark.parametrize("after", [0, 1])
def test_a_body_that_ends_its_workers(bare_stack: Stack, job: str, after: int) -> None:
    """A body that ends its workers, before or after a step, is rejected; a job beside it is not."""
    bare_stack.add_worker("a", ODD, WORKER_MAX_RECOVERIES="3", WORKER_LEASE_SECONDS="1")
    bare_stack.create(f"{job}-other", "sleeps", 3.0, 300)
    wait_until(lambda: bare_stack.starts(f"{job}-other"), what="the start of the other")

    with supervised(bare_stack) as supervisor:
        bare_stack.create(job, "body_kills", after)
        outcome = bare_stack.outcome(job, 50)
        other = bare_stack.outcome(f"{job}-other", 50)

    assert (outcome["status"], outcome["error"]["type"]) == ("rejected", "WorkerLost")
    assert "while the function body_kills ran" in outcome["error"]["message"]
    assert 3 <= len(supervisor.names) <= 5
    assert other["status"] == "resolved"


def holders(stack: Stack, job: str, step: str) -> list[str]:
    """Return the workers that have started a step of an execution, in order."""
    return [worker for worker, name in stack.starts(job) if name == step]


def test_a_worker_that_stops_in_order_is_not_lost(bare_stack: Stack, job: str) -> None:
    """A long step is handed over by more workers than may be lost, and ends."""
    for number in range(4):
        setting = {"WORKER_MAX_RECOVERIES": "2", "WORKER_DRAIN_SECONDS": "0"}
        bare_stack.add_worker(f"w-{number}", ODD, **setting)
    bare_stack.create(job, "sleeps", 3.0)

    def holder(number: int) -> str:
        found = holders(bare_stack, job, "first")
        return found[number] if len(found) > number else ""

    for number in range(3):
        bare_stack.workers[wait_until(partial(holder, number), what="its start")].stop()

    assert bare_stack.outcome(job)["status"] == "resolved"


def test_a_worker_that_was_only_frozen_is_not_lost(bare_stack: Stack, job: str) -> None:
    """A worker that comes back without its claim says that it lives; the records stay hidden."""
    for name in ("a", "b"):
        bare_stack.add_worker(name, ODD)
    bare_stack.create(job, "sleeps", 1.5)
    (holder,) = wait_until(lambda: holders(bare_stack, job, "first"), what="its start")
    (other,) = {"a", "b"} - {holder}
    with bare_stack.store() as store:
        wait_until(lambda: store.promises.search(f"{job}.1", {})[0], what="the step's record")
    frozen = bare_stack.workers[holder]
    frozen.signal(signal.SIGSTOP)
    wait_until(lambda: len(bare_stack.starts(job)) > 1, what="its next start")
    frozen.signal(signal.SIGCONT)

    outcome = bare_stack.outcome(job)

    assert (outcome["status"], outcome["worker"]) == ("resolved", other)
    assert [step["name"] for step in outcome["steps"]] == ["first", "second"]
    with bare_stack.store() as store:
        records = partial(store.promises.search, f"{job}.1.*", {})
        wait_until(lambda: len(records()[0]) == 2, what="the record of the return")
        assert {record.id for record in records()[0]} == {f"{job}.1.start.2", f"{job}.1.returned.1"}
