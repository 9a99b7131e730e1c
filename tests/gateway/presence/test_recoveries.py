"""Recoveries: of what, from whom to whom, how soon, and what is none."""

from __future__ import annotations

import time

import pytest

from gateway.presence.recoveries import Recoveries, Recovery
from gateway.presence.workers import SILENT_SECONDS, Workers
from shared.presence import Claimed, Ended, Running
from tests.support.gateway.presence import speaking

TASK = "__invoke:job-1"


@pytest.fixture(name="workers")
def _workers() -> Workers:
    return Workers()


@pytest.fixture(name="recoveries")
def _recoveries(workers: Workers) -> Recoveries:
    recoveries = Recoveries()
    workers.observers.append(recoveries)
    return recoveries


def runs(counter: int, step: str | None, lost_by: str | None = None) -> Running:
    """Return what a worker says of job-1."""
    return Running(TASK, counter, counter, lost_by, step, is_retried=False, reports=False)


def test_a_recovery_is_told_with_its_time(workers: Workers, recoveries: Recoveries) -> None:
    """It is told once the other worker is at work, with the time since the death."""
    told: list[Recovery] = []
    recoveries.listen(told.append)
    first = speaking(workers, Claimed(TASK, 1, "job-1"), runs(1, "charge"))
    workers.leave(first, "dead", time.monotonic() - 5)
    second = speaking(workers, Claimed(TASK, 2, "job-1"), name="worker-2")
    assert told == []

    second.hear(runs(2, None))
    second.hear(runs(2, "charge"))

    (recovery,) = told
    assert (recovery.execution, recovery.step) == ("job-1", "charge")
    assert (recovery.lost_by, recovery.taken_by) == ("worker-1", "worker-2")
    assert recovery.seconds is not None
    assert 5 <= recovery.seconds < 6
    assert abs(recovery.at - time.time() * 1000) < 1000
    assert (recoveries.count, recoveries.last) == (1, recovery)


def test_a_quick_end_is_a_recovery(workers: Workers, recoveries: Recoveries) -> None:
    """Of what ends in a moment the claim's own time counts."""
    first = speaking(workers, Claimed(TASK, 1, "job-1"))
    workers.leave(first, "vanished")
    second = speaking(workers, Claimed(TASK, 2, "job-1"), name="worker-2")

    second.hear(Ended(TASK, 2))

    assert recoveries.count == 1
    assert recoveries.last is not None
    assert recoveries.last.step is None


def test_the_first_loss_counts(workers: Workers, recoveries: Recoveries) -> None:
    """Where the next worker dies before it was at work, the time goes on."""
    first = speaking(workers, Claimed(TASK, 1, "job-1"))
    workers.leave(first, "dead", time.monotonic() - 5)
    second = speaking(workers, Claimed(TASK, 2, "job-1"), name="worker-2")
    workers.leave(second, "dead", time.monotonic() - 1)
    third = speaking(workers, Claimed(TASK, 3, "job-1"), name="worker-3")
    third.hear(runs(3, "charge"))

    assert recoveries.count == 1
    assert recoveries.last is not None
    assert recoveries.last.seconds is not None
    assert recoveries.last.seconds >= 5
    assert recoveries.last.lost_by == "worker-1"


def test_each_of_two_deaths_is_recovered(workers: Workers, recoveries: Recoveries) -> None:
    """A worker that was at work before it died has recovered the execution."""
    first = speaking(workers, Claimed(TASK, 1, "job-1"))
    workers.leave(first, "dead")
    second = speaking(workers, Claimed(TASK, 2, "job-1"), runs(2, "charge"), name="worker-2")
    workers.leave(second, "dead")
    speaking(workers, Claimed(TASK, 3, "job-1"), runs(3, "charge"), name="worker-3")

    assert recoveries.count == 2
    assert recoveries.last is not None
    assert recoveries.last.lost_by == "worker-2"


def test_leases_of_a_frozen_worker_end(workers: Workers, recoveries: Recoveries) -> None:
    """Who goes on says from whom; the time counts since the frozen one was heard."""
    first = speaking(workers, Claimed(TASK, 1, "job-1"), runs(1, "charge"))
    first.heard_at -= SILENT_SECONDS + 5
    second = speaking(workers, Claimed(TASK, 2, "job-1"), name="worker-2")

    second.hear(runs(2, "charge", lost_by="worker-1"))

    assert recoveries.last is not None
    assert recoveries.last.seconds is not None
    assert 6 <= recoveries.last.seconds < 7


def test_the_time_may_not_be_known(workers: Workers, recoveries: Recoveries) -> None:
    """A worker that speaks has lost an execution at some time or other."""
    speaking(workers, Claimed(TASK, 1, "job-1"), runs(1, "charge"))
    speaking(
        workers,
        Claimed(TASK, 2, "job-1"),
        runs(2, "charge", lost_by="worker-1"),
        name="worker-2",
    )

    assert recoveries.count == 1
    assert recoveries.last is not None
    assert recoveries.last.seconds is None


def test_what_is_handed_over_is_not_recovered(workers: Workers, recoveries: Recoveries) -> None:
    """Neither a worker that stops nor one whose end is told a moment later has lost anything."""
    first = speaking(workers, Claimed(TASK, 1, "job-1"), runs(1, "charge"))
    second = speaking(workers, Claimed(TASK, 2, "job-1"), runs(2, "charge"), name="worker-2")
    first.hear(Ended(TASK, 1))
    workers.leave(second)
    third = speaking(workers, Claimed(TASK, 3, "job-1"), runs(3, "charge"), name="worker-3")
    third.hear(Ended(TASK, 3))

    assert (recoveries.count, recoveries.last) == (0, None)


def test_the_same_worker_recovers_nothing(workers: Workers, recoveries: Recoveries) -> None:
    """A worker that was taken for dead and tells what it holds has gone on all the time."""
    first = speaking(workers, Claimed(TASK, 1, "job-1"), runs(1, "charge"))
    workers.leave(first, "dead")

    speaking(workers, Claimed(TASK, 1, "job-1"), runs(1, "charge"))

    assert recoveries.count == 0
