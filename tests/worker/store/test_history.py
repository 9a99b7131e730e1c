"""What claims store of an execution at the real server, and what later claims read of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.ids import parts_pattern
from shared.resonate import tags as tag
from tests.support.worker.claims import LATER, ClaimedJob
from worker.store.blocked import record_blocked
from worker.store.history import claim_tags, newest_blocked
from worker.tasks.claims import Blocked, Claim

if TYPE_CHECKING:
    from shared.resonate.store import Store


def test_a_claim_marks_what_it_creates() -> None:
    """The tags of a part say who has created it, and how far the execution has come."""
    claim = Claim("__invoke:job", 3, "job", attempt=2, position=4, stored_position=5)
    known = {
        tag.EXECUTION: "job",
        tag.WORKER: "worker-1",
        tag.CLAIM: "__invoke:job/3",
        tag.ATTEMPT: "2",
        tag.POSITION: "5",
    }
    assert claim_tags(claim, "worker-1") == known

    claim.position, claim.recovered_from, claim.progress = 6, "worker-0", "1/2"
    assert claim_tags(claim, "worker-1") == {
        **known,
        tag.POSITION: "6",
        tag.RECOVERED_FROM: "worker-0",
        tag.REPORTED: "1/2",
    }


def test_the_first_claim_has_no_history(claimed: ClaimedJob) -> None:
    """A claim that stores the first part reads nothing, and each part has its position."""
    claim, store = claimed.claim()
    for number, name in enumerate(["quote", "reserve"], 1):
        assert claimed.part(store, number, {tag.STEP: name})

    assert (claim.begun_here, claim.history_read) == (True, False)
    assert (claim.attempt, claim.position) == (1, 2)
    stored = [claimed.promises.get(f"{claimed.id}.{number}").tags for number in (1, 2)]
    assert [(tags[tag.POSITION], tags[tag.WORKER]) for tags in stored] == [
        ("1", "worker-1"),
        ("2", "worker-1"),
    ]


def test_a_recovery_is_recorded(claimed: ClaimedJob) -> None:
    """A claim that meets a part of another one knows its worker and how far it came."""
    _, first = claimed.claim("worker-1")
    for number in (1, 2, 3):
        claimed.part(first, number, {tag.STEP: f"s{number}"})
    claimed.drop()
    claim, second = claimed.claim("worker-2")

    assert claimed.part(second, 1, {tag.STEP: "s1"})

    assert (claim.history_read, claim.begun_here) == (True, False)
    assert (claim.attempt, claim.recovered_from) == (2, "worker-1")
    assert (claim.stored_position, claim.position) == (3, 1)
    marker = claimed.promises.get(f"{claimed.id}.attempt.2").tags
    assert (marker[tag.WORKER], marker[tag.RECOVERED_FROM]) == ("worker-2", "worker-1")
    assert marker[tag.POSITION] == "3"


@pytest.mark.parametrize(
    ("stored", "asked", "expected", "found"),
    [
        ({tag.STEP: "quote"}, {tag.STEP: "reserve"}, "step quote", "step reserve"),
        ({tag.AWAITS: "go"}, {tag.CHANGED: "go"}, "signal go", "change go"),
        ({tag.PROGRESS: "1/2"}, {tag.STEP: "a"}, "progress", "step a"),
    ],
)
def test_another_part_blocks_the_execution(
    claimed: ClaimedJob,
    stored: dict[str, str],
    asked: dict[str, str],
    expected: str,
    found: str,
) -> None:
    """A claim whose code asks for something else is given up, and nothing is overwritten."""
    _, first = claimed.claim()
    claimed.part(first, 1, stored)
    claimed.drop()
    claim, second = claimed.claim()

    assert not claimed.part(second, 1, asked)

    assert claim.blocked == Blocked(expected, found)
    assert claim.lost == f"blocked: expected {expected}, found {found}"
    assert stored.items() <= claimed.promises.get(f"{claimed.id}.1").tags.items()


@pytest.mark.parametrize(
    ("stored", "asked"),
    [
        ({tag.STEP: "quote"}, {tag.STEP: "quote"}),
        ({tag.PROGRESS: "1/2"}, {tag.PROGRESS: "1/3"}),
        ({"unknown": "1"}, {tag.STEP: "quote"}),
    ],
    ids=["the same", "another report", "of an earlier release"],
)
def test_a_part_that_may_be_the_same_is_taken(
    claimed: ClaimedJob, stored: dict[str, str], asked: dict[str, str]
) -> None:
    """Only kind and name are compared, and only where the store has them."""
    _, first = claimed.claim()
    claimed.part(first, 1, stored)
    claimed.drop()
    claim, second = claimed.claim()

    assert claimed.part(second, 1, asked)
    assert claim.blocked is None


def blocked_at_a_step(claimed: ClaimedJob, store: Store, worker: str = "worker-1") -> None:
    """Store a step, and that the next worker asks for another one."""
    _, first = claimed.claim()
    claimed.part(first, 1, {tag.STEP: "quote"})
    claimed.drop()
    claim, second = claimed.claim(worker)
    claimed.part(second, 1, {tag.STEP: "reserve"})
    record_blocked(store.transport, claim, "worker-2")
    claimed.drop()


def test_a_blocked_execution_goes_on(claimed: ClaimedJob, store: Store) -> None:
    """The record is resolved with the first part that is new, not while parts are replayed."""
    blocked_at_a_step(claimed, store)
    record = f"{claimed.id}.blocked.1"
    claim, third = claimed.claim("worker-3")

    claimed.part(third, 1, {tag.STEP: "quote"})
    assert claim.blocked_record == record
    assert claimed.promises.get(record).pending
    claimed.part(third, 2, {tag.STEP: "reserve"})

    assert claim.blocked_record is None
    assert claimed.promises.get(record).resolved
    newest = newest_blocked(claimed.promises, claimed.id)
    assert newest is not None
    assert newest.id == record


def test_a_blocked_execution_goes_on_with_a_step_that_runs_again(
    claimed: ClaimedJob, store: Store
) -> None:
    """The record is resolved, and the worker that runs the step is named as the latest one."""
    blocked_at_a_step(claimed, store, "worker-2")
    claim, third = claimed.claim("worker-3")
    claimed.part(third, 1, {tag.STEP: "quote"})

    for _ in range(2):
        assert third.promises.ask(lambda history: history.step_again())

    assert claimed.promises.get(f"{claimed.id}.blocked.1").resolved
    found, _ = claimed.promises.search(parts_pattern(claimed.id), {tag.EXECUTION: claimed.id})
    newest = found[0].tags
    assert (newest[tag.WORKER], newest[tag.CLAIM]) == ("worker-3", claim.key)
    assert (newest[tag.ATTEMPT], newest[tag.RECOVERED_FROM]) == ("2", "worker-1")
    assert [part.tags[tag.WORKER] for part in found].count("worker-3") == 1


def test_a_signal_that_is_met_again_is_nothing_new(claimed: ClaimedJob, store: Store) -> None:
    """A value that its sender has stored is replayed too, and the execution stays blocked."""
    signal = f"{claimed.id}.signal.go"
    sent = {tag.SIGNAL: "go", tag.REQUEST: "r"}
    claimed.promises.create(signal, LATER, ikey=signal, data='"yes"', tags=sent)
    for worker, name in (("worker-1", "quote"), ("worker-2", "reserve"), ("worker-2", "reserve")):
        claim, fenced = claimed.claim(worker)
        claimed.part(fenced, 1, {tag.AWAITS: "go"})
        assert fenced.promises.create(signal, LATER, ikey=signal).resolved
        claimed.part(fenced, 2, {tag.STEP: name})
        record_blocked(store.transport, claim, worker)
        claimed.drop()

    newest = newest_blocked(claimed.promises, claimed.id)
    assert newest is not None
    assert (newest.id, newest.pending) == (f"{claimed.id}.blocked.1", True)


def test_a_claim_that_was_blocked_is_no_attempt(claimed: ClaimedJob, store: Store) -> None:
    """Being handed back because of other code is no recovery, however often it happens."""
    _, first = claimed.claim()
    claimed.part(first, 1, {tag.STEP: "quote"})
    claimed.drop()
    attempts = []
    for _ in range(3):
        claim, other = claimed.claim("worker-2")
        claimed.part(other, 1, {tag.STEP: "reserve"})
        record_blocked(store.transport, claim, "worker-2")
        attempts.append(claim.attempt)
        claimed.drop()
    claim, last = claimed.claim("worker-3")
    claimed.part(last, 1, {tag.STEP: "quote"})

    assert attempts == [2, 2, 2]
    assert (claim.attempt, claim.recovered_from, claim.stored_position) == (2, "worker-1", 1)


def test_an_execution_that_was_blocked_before_its_first_part_goes_on(
    claimed: ClaimedJob, store: Store
) -> None:
    """A version that no worker knew has stored nothing; the claim that begins resolves that."""
    claim, _ = claimed.claim()
    claim.blocked = Blocked("order version 1", "no function order")
    record_blocked(store.transport, claim, "worker-1")
    claimed.drop()
    claim, second = claimed.claim("worker-2")

    claimed.part(second, 1, {tag.STEP: "quote"})

    assert (claim.begun_here, claim.attempt) == (True, 1)
    assert claimed.promises.get(f"{claimed.id}.blocked.1").resolved


def test_an_execution_that_only_waits_goes_on(claimed: ClaimedJob, store: Store) -> None:
    """A function that is suspended where it was before is not blocked any more."""
    _, first = claimed.claim()
    claimed.part(first, 1, {tag.STEP: "quote"})
    claimed.drop()
    claim, _ = claimed.claim()
    claim.blocked = Blocked("step quote", "step reserve")
    record_blocked(store.transport, claim, "worker-2")
    claimed.drop()
    _, third = claimed.claim("worker-3")
    claimed.part(third, 1, {tag.STEP: "quote"})

    third.promises.going_on()

    assert claimed.promises.get(f"{claimed.id}.blocked.1").resolved


def test_a_blocked_execution_that_ends_is_not_blocked(claimed: ClaimedJob, store: Store) -> None:
    """The record is resolved also by a claim that only replays, and then ends the execution."""
    blocked_at_a_step(claimed, store)
    _, third = claimed.claim("worker-3")

    claimed.part(third, 1, {tag.STEP: "quote"})
    third.promises.resolve(claimed.id, ikey=claimed.id, data='"7"')

    assert claimed.promises.get(f"{claimed.id}.blocked.1").resolved
