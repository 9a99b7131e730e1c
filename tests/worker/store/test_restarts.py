"""Records of starts at the real server, and what they say of lost workers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from shared.ids import parts_pattern, stored_id
from shared.resonate import tags as tag
from worker.store.fenced_store import FencedStore
from worker.store.restarts import Records, body_starts, record_returned, starts_of
from worker.tasks.claims import Claim

if TYPE_CHECKING:
    from shared.resonate.store import Store

FAR = int((time.time() + 24 * 60 * 60) * 1000)
"""A day after the tests were collected: the whole run takes long."""


class UnfencedStore(FencedStore):
    """Writes for a claim that the server does not know."""

    def __init__(self, store: Store, worker: str, claim: Claim) -> None:
        super().__init__(store.transport, worker)
        self.claim = claim
        self.promises.fence = dict  # type: ignore[method-assign]


def claim_of(job: str, counter: int, task: str = "__invoke:JOB") -> Claim:
    """Return a claim of an execution."""
    return Claim(task.replace("JOB", job), counter, job, deadline=FAR)


def records(store: Store, worker: str, claim: Claim) -> Records:
    """Return the records of a claim of a worker."""
    return Records(claim, UnfencedStore(store, worker, claim).promises.record)


def test_starts_of_a_step(store: Store, job: str) -> None:
    """The step's promise is its first start; starts whose workers have returned are not lost."""
    step = store.promises.create(f"{job}.1", FAR, ikey="s", tags={tag.WORKER: "a", tag.STEP: "x"})
    assert starts_of(store.promises, step, job).lost == ["a"]

    for number, worker in enumerate("bcd", 2):
        assert records(store, worker, claim_of(job, number)).start(step.id, number)
    third = claim_of(job, 3)
    third.started = {step.id: 3}
    record_returned(store.transport, third)
    record_returned(store.transport, third)

    found = starts_of(store.promises, step, job)
    assert (found.count, found.lost) == (4, ["a", "b", "d"])
    assert found.last > step.created_on
    assert found.suspect


def test_starts_of_other_steps_are_not_counted(store: Store, job: str) -> None:
    """Ids that only look alike, and those that match as a pattern, are other steps."""
    step = store.promises.create(f"{job}_.1", FAR, ikey="s", tags={tag.WORKER: "a", tag.STEP: "x"})
    for other in (f"{job}x.1", f"{job}_.11", f"{job}_.1.2"):
        claim = claim_of(other.partition(".")[0], 2)
        assert records(store, "b", claim).start(other, 2)

    assert starts_of(store.promises, step, f"{job}_").count == 1


@pytest.mark.parametrize("name", ["JOB", "JOB_a", "JOB_a.2"])
def test_a_return_is_found_whatever_the_id(store: Store, job: str, name: str) -> None:
    """A worker that has stopped in order is not lost, also of an id with underscores."""
    execution = name.replace("JOB", job)
    claim = Claim(f"__invoke:{stored_id(execution)}", 2, execution, deadline=FAR)
    step = store.promises.create(f"{execution}.1", FAR, ikey="s", tags={tag.WORKER: "a"})
    assert records(store, "b", claim).start(step.id, 2)
    claim.started = {step.id: 2}
    record_returned(store.transport, claim)

    assert starts_of(store.promises, step, execution).lost == ["a"]


@pytest.mark.parametrize("task", ["__invoke:JOB_a.2", "__resume:JOB_a:JOB_a.3"])
def test_lost_bodies_are_found_whatever_the_id(store: Store, job: str, task: str) -> None:
    """The server names a task by stored ids, in which underscores are tildes."""
    task = task.replace("JOB", job)
    execution = task.split(":")[1]
    task = ":".join(map(stored_id, task.split(":")))
    claims = [Claim(task, number, execution, deadline=FAR) for number in range(2, 5)]
    for claim in claims:
        assert records(store, f"w{claim.counter}", claim).body()

    later = Claim(task, 5, execution, deadline=FAR)
    assert body_starts(store.promises, later).lost == ["w2", "w3", "w4"]
    record_returned(store.transport, claims[-1])
    assert body_starts(store.promises, later).lost == []


def test_a_claim_that_has_begun_nothing_leaves_no_record(store: Store, job: str) -> None:
    """A blocked execution is handed back again and again, and its records must not pile up."""
    record_returned(store.transport, claim_of(job, 7))

    assert store.promises.search(parts_pattern(job), {}) == ([], None)


@pytest.mark.parametrize("task", ["__invoke:JOB", "__resume:JOB:JOB.3"])
def test_bodies_that_reach_nothing_are_lost(store: Store, job: str, task: str) -> None:
    """Claims of a task in a row that began the body and created nothing are lost in it."""
    task = task.replace("JOB", job)
    for number in range(1, 6):
        assert records(store, f"w{number}", claim_of(job, number, task)).body()

    found = body_starts(store.promises, claim_of(job, 6, task))
    assert (found.count, found.lost) == (4, ["w2", "w3", "w4", "w5"])
    assert body_starts(store.promises, claim_of(job, 3, task)).lost == ()
    assert body_starts(store.promises, claim_of(job, 6, "__resume:JOB:JOB.9")).lost == ()

    store.promises.create(
        f"{job}.1", FAR, ikey="s", tags={tag.EXECUTION: job, tag.CLAIM: f"{task}/3"}
    )
    attempt = {tag.EXECUTION: job, tag.CLAIM: f"{task}/5"}
    store.promises.create(f"{job}.attempt.2", FAR, ikey="s", tags=attempt)
    assert body_starts(store.promises, claim_of(job, 6, task)).lost == ["w4", "w5"]


@pytest.mark.parametrize("how", ["waits", "starts", "returns"])
def test_a_body_that_reaches_a_step_is_not_lost(store: Store, job: str, how: str) -> None:
    """A claim that waited for a step's turn, started one again or was handed back is not lost."""
    for number in range(1, 6):
        claim = claim_of(job, number)
        made = records(store, f"w{number}", claim)
        assert made.body()
        if number == 4:
            match how:
                case "waits":
                    made.reached()
                case "starts":
                    made.start(f"{job}.1", 2)
                case _:
                    record_returned(store.transport, claim)

    assert body_starts(store.promises, claim_of(job, 6)).lost == ["w5"]
