"""Suspects of a worker run one at a time, in the order of what they have lost."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.processes import wait_until
from worker.errors import Fenced
from worker.tasks import suspects as module
from worker.tasks.suspects import Starts, Suspects, Turn


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GATHER_SECONDS", 0.1)
    monkeypatch.setattr(module, "PERIOD_SECONDS", 0.01)


def starts(lost: int, last: int = 0) -> Starts:
    """Return the starts of a step during which workers were lost."""
    return Starts(lost, ["worker"] * lost, last)


def nothing() -> None:
    """Find the claim valid."""


def test_who_has_lost_most_is_first() -> None:
    """Suspects run one after the other: most losses first, then the latest start."""
    suspects, order = Suspects(), []

    def run(each: Starts) -> None:
        turn = suspects.acquire(each, nothing)
        order.append((len(each.lost), each.last))
        assert sum(other.running for other in suspects._turns) == 1
        turn.release()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, [starts(2, 5), starts(2, 9), starts(3, 1), starts(2, 7)]))

    assert order == [(3, 1), (2, 9), (2, 7), (2, 5)]


def test_one_that_runs_for_long_is_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one is started beside a suspect that has had its time."""
    monkeypatch.setattr(module, "TURN_SECONDS", 0.3)
    suspects = Suspects()
    first = suspects.acquire(starts(3), nothing)

    second = suspects.acquire(starts(2), nothing)

    assert second.since - first.since >= 0.3
    first.release()
    first.release()
    second.release()
    assert suspects._turns == []


def test_when_one_is_found_out_the_others_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that have lost two workers run beside a suspect; those that have lost more wait."""
    suspects = Suspects()
    running = suspects.acquire(starts(2), nothing)
    with ThreadPoolExecutor(3) as pool:
        others = [pool.submit(suspects.acquire, starts(lost), nothing) for lost in (2, 2, 3)]
        wait_until(lambda: len(suspects._turns) == 4, what="three that wait")

        suspects.found_out()

        turns = [other.result(5) for other in others[:2]]
        assert not others[2].done()
        monkeypatch.setattr(suspects, "_explained_until", 0.0)
        for turn in (running, *turns):
            turn.release()
        others[2].result(5)


def test_one_whose_claim_is_lost_gives_way() -> None:
    """A suspect whose claim is lost leaves, and the next one runs."""
    suspects, lost = Suspects(), threading.Event()

    def check() -> None:
        if lost.is_set():
            raise Fenced("job")

    running = suspects.acquire(starts(2), nothing)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(suspects.acquire, starts(4), check)
        second = pool.submit(suspects.acquire, starts(2), nothing)
        wait_until(lambda: len(suspects._turns) == 3, what="two that wait")
        lost.set()
        with pytest.raises(Fenced):
            first.result(5)
        assert not second.done()
        running.release()
        assert isinstance(second.result(5), Turn)


def test_the_failure_names_the_workers() -> None:
    """The failure of a lost step has its name, its starts and the workers, within the limit."""
    failure = Starts(3, ["a", "b"], 0).failure("the step x", "x")

    assert (failure.type, failure.step, failure.attempts) == ("WorkerLost", "x", 3)
    assert failure.message == "2 workers were lost while the step x ran: a, b"
    assert len(Starts(1000, ["w" * 64] * 1000, 0).failure("it").message.encode()) <= 2048
