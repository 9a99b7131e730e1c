"""What is stored of steps: one write of a quick one, two of others, none of a plain function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from shared.resonate import tags as tag
from tests.support.processes import wait_until
from tests.support.worker.claims import ClaimedJob
from worker.errors import Fenced
from worker.store.numbered_parts import part_name
from worker.store.replays import ReplayedHistory
from worker.store.steps import LateStarts, StepRecords

if TYPE_CHECKING:
    from shared.resonate.store import Store
    from worker.store.fenced_store import FencedStore
    from worker.tasks.claims import Claim


def records(claim: Claim, store: FencedStore, late: LateStarts | None = None) -> StepRecords:
    """Return the records of a claim, whose late starts are stored if they have a thread."""
    history = ReplayedHistory(claim, store.promises)
    clock = store.transport.clock
    return StepRecords(claim, store.promises, history, late or LateStarts(), clock)


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("outcome", [tag.RESOLVED, tag.REJECTED])
def test_a_quick_step_is_stored_with_its_outcome(
    store: Store, job: str, outcome: str, *, large: bool
) -> None:
    """Nothing is stored before its end. Then all readers see a step that has ended."""
    claim, held = ClaimedJob(store, job).claim()
    data = f'"{"x" * 20_000 * large}"'

    record, stored = records(claim, held).begin(f"{job}.1", "charge", whole=False)
    assert (stored, store.promises.search(f"{job}.*", {})[0]) == (None, [])
    record.end(outcome, data)

    step = store.promises.get(f"{job}.1")
    store.promises.values.fill_value(step)
    assert (step.state, step.value.data) == (outcome.upper(), data)
    assert (step.tags[tag.STEP], step.tags[tag.WORKER]) == ("charge", "worker-1")
    assert int(step.tags[tag.STARTED]) <= step.created_on + 1000
    assert step.completed_on == step.created_on


def test_a_reader_that_knows_no_outcomes_finds_no_step(store: Store, job: str) -> None:
    """A worker of an earlier release would take the empty value of the promise for its result."""
    claim, held = ClaimedJob(store, job).claim()
    record, _ = records(claim, held).begin(f"{job}.1", "charge", whole=False)
    record.end(tag.RESOLVED, "1")

    def tags_of(answer: dict[str, Any]) -> dict[str, str]:
        return dict(answer["tags"])

    tags = store.transport.call("GET", f"/promises/{job}.1", read=tags_of)
    assert tag.STEP not in tags
    assert part_name(tags) == "sleep"


def test_the_server_ends_a_quick_step_by_itself(store: Store, job: str) -> None:
    """It does not stay pending for ever, where the server would look at it again and again."""
    claim, held = ClaimedJob(store, job).claim()
    record, _ = records(claim, held).begin(f"{job}.1", "charge", whole=False)
    record.end(tag.RESOLVED, "1")

    def is_pending() -> bool:
        return bool(store.promises.search(f"{job}.*", {}, state="pending")[0])

    wait_until(lambda: not is_pending(), what="the end of the promise")


def test_the_start_of_a_step_that_takes_longer(store: Store, job: str) -> None:
    """It is stored while the step runs, and its end settles the same promise."""
    claim, held = ClaimedJob(store, job).claim()
    late = LateStarts()
    late.start()

    record, _ = records(claim, held, late).begin(f"{job}.1", "charge", whole=False)
    wait_until(lambda: store.promises.search(f"{job}.*", {})[0], what="the record of the start")
    pending = store.promises.get(f"{job}.1").pending
    record.end(tag.RESOLVED, "1")

    step = store.promises.get(f"{job}.1")
    assert (pending, step.state, step.value.data) == (True, "RESOLVED", "1")
    assert tag.OUTCOME not in step.tags


def test_a_step_that_an_earlier_claim_may_have_begun(store: Store, job: str) -> None:
    """Its start is stored at once: the next claim must know who was lost with it."""
    claimed = ClaimedJob(store, job)
    claimed.claim()
    claimed.drop()
    claim, held = claimed.claim("worker-2")

    _, stored = records(claim, held).begin(f"{job}.1", "charge", whole=True)

    assert stored is not None
    assert (stored.pending, stored.tags[tag.WORKER]) == (True, "worker-2")


def test_a_step_that_has_ended_is_found(store: Store, job: str) -> None:
    """A later claim gets the outcome, in whichever way it is stored."""
    claimed = ClaimedJob(store, job)
    claim, held = claimed.claim()
    steps = records(claim, held)
    for number, begins in ((1, False), (2, True)):
        record, _ = steps.begin(f"{job}.{number}", "charge", whole=False)
        if begins:
            record.store_start()
        record.end(tag.RESOLVED, str(number))
    claimed.drop()
    claim, held = claimed.claim("worker-2")

    found = [records(claim, held).begin(f"{job}.{n}", "charge", whole=False)[1] for n in (1, 2)]

    assert [step and (step.state, step.value.data) for step in found] == [
        ("RESOLVED", "1"),
        ("RESOLVED", "2"),
    ]


def test_a_quick_plain_function_is_stored_with_its_execution(store: Store, job: str) -> None:
    """Its execution's end says who ran it, and there is no other write."""
    claim, held = ClaimedJob(store, job).claim()

    record, _ = records(claim, held).begin(f"{job}.1", "order", whole=True)
    record.end(tag.RESOLVED, "1")
    held.promises.resolve(job, ikey=job, data="1")

    ended = store.promises.get(job)
    notes = ended.value.headers or {}
    assert (notes[tag.STEP], notes[tag.WORKER]) == ("order", "worker-1")
    assert int(notes[tag.STARTED]) >= ended.created_on - 1000
    assert store.promises.search(f"{job}.*", {})[0] == []


@pytest.mark.parametrize("begins", [False, True])
def test_nothing_is_stored_for_a_claim_that_is_over(
    store: Store, job: str, *, begins: bool
) -> None:
    """A worker that has lost its claim stores neither start nor outcome."""
    claimed = ClaimedJob(store, job)
    claim, held = claimed.claim()
    record, _ = records(claim, held).begin(f"{job}.1", "charge", whole=False)
    claimed.drop()
    claimed.claim("worker-2")

    with pytest.raises(Fenced):
        record.store_start() if begins else record.end(tag.RESOLVED, "1")

    assert store.promises.search(f"{job}.*", {})[0] == []


def test_a_start_is_not_stored_after_the_end(store: Store, job: str) -> None:
    """A step that ends just as its start is due is stored once."""
    claim, held = ClaimedJob(store, job).claim()
    record, _ = records(claim, held).begin(f"{job}.1", "charge", whole=True)
    record.end(tag.RESOLVED, "1")

    assert record.store_start() is None
    assert store.promises.search(f"{job}.*", {})[0] == []
