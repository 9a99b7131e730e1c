"""Gateways are told which claims a worker has, and what runs under them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.support.worker.leases import (
    REFUSED,
    UNANSWERED,
    ScriptedTasks,
    ToldClaims,
    claim,
)
from worker.metrics.counts import WorkerMetrics
from worker.slots.claim_ends import granted
from worker.tasks.board import Board
from worker.tasks.leases import Leases

if TYPE_CHECKING:
    from shared.resonate.tasks import Tasks
    from worker.slots.parts import SharedParts
    from worker.tasks.claims import Claim

JOB = ("__invoke:job-1", 1)


class Asked(ScriptedTasks):
    """Answers a claim as a test says, and records what gateways were told before."""

    def __init__(self, told: ToldClaims, error: Exception | None) -> None:
        super().__init__()
        self._told = told
        self._error = error
        self.told_before: list[tuple[str, str, int]] = []

    def claim_raw(self, *_: Any) -> Any:
        self.told_before = list(self._told.events)
        if self._error is not None:
            raise self._error
        return {}, None


def ask(tasks: Tasks, leases: Leases, made: Claim) -> object:
    """Ask the server for a claim, as a slot does."""
    metrics = WorkerMetrics.off()
    parts = SimpleNamespace(tasks=tasks, leases=leases, pid="pid-1", metrics=metrics)
    return granted(cast("SharedParts", parts), made)


@pytest.mark.parametrize("error", [None, REFUSED, UNANSWERED], ids=["granted", "refused", "lost"])
def test_a_claim_is_told_before_it_is_made(error: Exception | None) -> None:
    """A worker that dies before it has the answer may have the claim."""
    told = ToldClaims()
    tasks = Asked(told, error)
    leases = Leases(tasks, Board(), 2.0, told)

    ask(tasks, leases, claim())

    assert tasks.told_before == [("claimed", *JOB)]
    assert told.held == ({JOB} if error is None else set())


def test_a_claim_that_is_over_is_told() -> None:
    """A claim that is released, because its execution has ended, is over at once."""
    told = ToldClaims()
    leases = Leases(ScriptedTasks(), Board(), 2.0, told)
    leases.hold(claim())
    assert told.held == {JOB}

    leases.release(claim())

    assert told.events == [("claimed", *JOB), ("ended", *JOB)]


@pytest.mark.parametrize("how", ["hand_back", "hand_back_failed", "hand_back_blocked"])
def test_a_claim_that_is_handed_back_is_over(how: str) -> None:
    """Its execution does not run here any more, however long the drop takes."""
    told = ToldClaims()
    tasks = ScriptedTasks()
    tasks.lasting = UNANSWERED
    leases = Leases(tasks, Board(), 2.0, told)
    made = claim()
    leases.hold(made)

    getattr(leases, how)(made)

    assert told.events == [("claimed", *JOB), ("ended", *JOB)]


def test_what_runs_is_told() -> None:
    """Whoever starts a step under the claim tells gateways by it."""
    told = ToldClaims()
    leases = Leases(ScriptedTasks(), Board(), 2.0, told)
    made = claim()
    leases.hold(made)

    made.runs("pack")

    assert told.events == [("claimed", *JOB), ("running", *JOB)]
