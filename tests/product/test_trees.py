"""Trees of executions: how they end, and how they are canceled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest

from shared.resonate import tags as tag
from shared.resonate.codec import decode_result
from tests.support.processes import call, wait_until
from tests.support.stack import running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from resonate.models.durable_promise import DurablePromise

    from shared.resonate.store import Store
    from tests.support.stack import Stack

ODD = "tests.support.worker.odd"
SLOTS = 4
CANCELED = "REJECTED_CANCELED"


@pytest.fixture(name="narrow")
def _narrow(tmp_path: Path) -> Iterator[Stack]:
    """Two workers with two slots each."""
    with running_stack(tmp_path, workers=0) as stack:
        for name in ("odd-1", "odd-2"):
            stack.add_worker(name, ODD, WORKER_CONCURRENCY="2")
        yield stack


def forest(stack: Stack, id: str, fanouts: int, parts: int, pace: float) -> None:
    """Begin an execution with `fanouts` children, each with `parts` children."""
    given = {"fanouts": fanouts, "each": {"parts": parts, "pace": pace}}
    stack.create(id, "forest", given, 120)


def below(store: Store, id: str, state: str | None = None) -> list[DurablePromise]:
    """Return a page of the promises below an execution, in one of the server's states or in any."""
    return store.promises.search(f"{id}.*", {tag.ROOT: id}, state=state)[0]


def open_below(store: Store, id: str) -> bool:
    """Return whether anything below an execution has not ended."""
    return bool(below(store, id, "pending"))


def begun_once(stack: Stack, id: str) -> bool:
    """Return whether no child's step was started twice."""
    children = [child for _, child in stack.parts_begun(id)]
    return len(children) == len(set(children))


def test_two_hundred_children_on_four_lanes(narrow: Stack, job: str) -> None:
    """Parents of parents hold no slot while they wait, so that all of them come to an end."""
    forest(narrow, job, fanouts=2, parts=100, pace=0)

    with narrow.store() as store:
        wait_until(lambda: not store.promises.get(job).pending, seconds=90, what="the end")
        value = store.promises.get(job).value.data

    assert orjson.loads(decode_result(value)) == 200
    assert len(narrow.parts_begun(job)) == 200
    assert begun_once(narrow, job)


def test_canceling_ends_the_whole_tree(narrow: Stack, job: str) -> None:
    """Soon nothing is pending at any depth, nothing more is begun, and workers go on."""
    forest(narrow, job, fanouts=5, parts=40, pace=0.2)
    wait_until(lambda: len(narrow.parts_begun(job)) >= 8, what="eight parts")

    assert call(f"{narrow.url}/cancel?id={job}", "POST").status == 200

    with narrow.store() as store:
        wait_until(lambda: not open_below(store, job), seconds=5, what="the end of all")
    begun = len(narrow.parts_begun(job))
    assert begun < 100
    goes_on(narrow, job)
    # A slot may have had a step in hand that its log did not have yet.
    assert len(narrow.parts_begun(job)) <= begun + SLOTS


def test_a_canceled_child_starts_no_further_step(narrow: Stack, job: str) -> None:
    """The step of a child that runs when its parent is canceled is the last one of it."""
    narrow.create(job, "parent", [["checkout", {"pace": 0.4}]])
    child = f"{job}.1"
    wait_until(lambda: len(narrow.starts(child)) == 2, what="the second step")

    assert call(f"{narrow.url}/cancel?id={job}", "POST").status == 200

    narrow.begin(f"{job}-after", "checkout", {"pace": 0.5})
    narrow.outcome(f"{job}-after")
    assert [step for _, step in narrow.starts(child)] == ["reserve", "charge"]
    goes_on(narrow, job)


def test_a_cancel_that_was_broken_off_is_finished_by_workers(narrow: Stack, job: str) -> None:
    """If only the root is canceled, workers cancel its children instead of running them."""
    narrow.begin(job, "fanout", {"parts": 60, "pace": 0.3})
    with narrow.store() as store:
        wait_until(lambda: len(below(store, job)) == 60, what="all children")
        store.promises.cancel(job, ikey=f"cancel-{job}")
        begun = len(narrow.parts_begun(job))
        wait_until(lambda: not open_below(store, job), seconds=15, what="the end of all")
        canceled = [child for child in below(store, job) if child.state == CANCELED]

    # What each slot had taken before the cancel may still run.
    assert len(narrow.parts_begun(job)) <= begun + SLOTS
    assert len(canceled) >= 60 - begun - SLOTS > 0
    ended = [e for w in narrow.workers.values() for e in w.events("child canceled", ended=job)]
    assert len(ended) == len(canceled)
    goes_on(narrow, job)


def test_a_tree_ends_by_its_deadline(narrow: Stack, job: str) -> None:
    """Everything below an execution times out with it."""
    target = f"{narrow.url}/begin?id={job}&function=fanout&timeout=3s"
    call(target, "POST", {"parts": 60, "pace": 0.4})

    assert narrow.outcome(job)["status"] == "timedout"
    with narrow.store() as store:
        wait_until(lambda: not open_below(store, job), seconds=5, what="the end of all")
    goes_on(narrow, job)
    assert len(narrow.parts_begun(job)) < 60


def goes_on(stack: Stack, job: str) -> None:
    """Check that the workers run other executions."""
    probe = f"{job}-probe"
    stack.begin(probe, "fanout", {"parts": 4, "pace": 0})
    assert len(stack.outcome(probe)["result"]["parts"]) == 4
    assert all(worker.running() for worker in stack.workers.values())
