"""What a gateway keeps of what a worker says."""

from __future__ import annotations

import pytest

from gateway.presence.workers import TooMuch, Worker, Workers
from shared.presence import MOST_CLAIMS, MOST_OFFERS, Claimed, Ended, Offers, Restated, Running
from tests.support.gateway.presence import hello_of


@pytest.fixture(name="worker")
def _worker() -> Worker:
    return Worker(hello_of("a"), {})


def test_a_worker_leaves_what_it_has_not_ended(worker: Worker) -> None:
    """Claims are kept until they end, offers until the worker keeps them no longer."""
    worker.hear(Claimed("t1", 1, "job-1"))
    worker.hear(Claimed("t2", 1, "job-2"))
    worker.hear(Claimed("t2", 3, "job-2"))
    worker.hear(Ended("t1", 1))
    worker.hear(Ended("t2", 2))
    worker.hear(Offers([("o1", 1), ("o2", 1)], []))
    worker.hear(Offers([("o3", 1)], [("o1", 1), ("unknown", 1)]))

    claims, offers = worker.left()

    assert claims == {("t2", 1): "job-2", ("t2", 3): "job-2"}
    assert sorted(offers) == [("o2", 1), ("o3", 1)]


def test_what_runs_is_kept_with_its_claim(worker: Worker) -> None:
    """What is said of a claim that is over, or was never said, is not kept."""
    running = Running("t", 1, 2, None, "charge", is_retried=False, reports=False)
    worker.hear(running)
    assert worker.claims == {}

    worker.hear(Claimed("t", 1, "job"))
    worker.hear(running)

    assert worker.claims["t", 1].running == running


def test_what_is_told_anew_replaces_what_was_told(worker: Worker) -> None:
    """Until all of it is told, what was told before may be held too."""
    worker.hear(Claimed("old", 1, "job-1"))
    worker.hear(Offers([("offer", 1)], []))
    worker.hear(Restated())
    worker.hear(Claimed("new", 1, "job-2"))
    claims, offers = worker.left()
    assert set(claims) == {("old", 1), ("new", 1)}
    assert offers == [("offer", 1)]

    worker.hear(Restated(complete=True))

    assert worker.left() == ({("new", 1): "job-2"}, [])


def test_a_second_attempt_to_tell_all_forgets_nothing(worker: Worker) -> None:
    """What was told before an attempt that broke off may be held until the next is complete."""
    worker.hear(Claimed("t1", 1, "job-1"))
    worker.hear(Claimed("t2", 1, "job-2"))
    worker.hear(Offers([("offer", 1)], []))
    worker.hear(Restated())
    worker.hear(Claimed("t1", 1, "job-1"))

    worker.hear(Restated())

    claims, offers = worker.left()
    assert set(claims) == {("t1", 1), ("t2", 1)}
    assert offers == [("offer", 1)]


def test_a_worker_that_holds_too_much_is_refused(worker: Worker) -> None:
    """No more claims and offers are kept than any worker can have."""
    for number in range(MOST_CLAIMS):
        worker.hear(Claimed("t", number, "job"))
    worker.hear(Claimed("t", 0, "job"))
    with pytest.raises(TooMuch, match="claims"):
        worker.hear(Claimed("t", MOST_CLAIMS, "job"))
    worker.hear(Ended("t", MOST_CLAIMS))

    worker.hear(Offers([("o", number) for number in range(MOST_OFFERS)], []))
    with pytest.raises(TooMuch, match="offers"):
        worker.hear(Offers([("o", MOST_OFFERS)], []))


def test_telling_all_again_and_again_is_bounded_too(worker: Worker) -> None:
    """A worker that never completes its account is refused once it is too long."""
    for number in range(MOST_CLAIMS + 1):
        worker.hear(Restated())
        worker.hear(Claimed("t", number, "job"))

    with pytest.raises(TooMuch, match="claims"):
        worker.hear(Restated())


def test_a_worker_that_is_known_keeps_what_it_has_said() -> None:
    """A second greeting of a process is of the same worker, and says what it serves now."""
    workers = Workers()
    first = workers.enter(hello_of("a"))
    first.hear(Claimed("t", 1, "job"))

    second = workers.enter(hello_of("a"))
    other = workers.enter(hello_of("b"))

    assert second is first
    assert list(workers) == [first, other]
    assert len(workers) == 2


def test_a_worker_that_left_and_came_again_is_another() -> None:
    """What is done late about the one that left does not concern the one that is there."""
    workers = Workers()
    first = workers.enter(hello_of("a"))
    workers.leave(first)
    second = workers.enter(hello_of("a"))

    workers.leave(first)

    assert list(workers) == [second]
    assert second in workers
    assert first not in workers
