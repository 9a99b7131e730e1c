"""Gateways are told which claims a worker has, until the server has them back."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.support.processes import wait_until
from tests.support.worker.leases import (
    REFUSED,
    UNANSWERED,
    ScriptedTasks,
    ToldClaims,
    claim,
    running,
)
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
    parts = SimpleNamespace(tasks=tasks, leases=leases, pid="pid-1")
    return granted(cast("SharedParts", parts), made)


@pytest.mark.parametrize("error", [None, REFUSED, UNANSWERED], ids=["granted", "refused", "lost"])
def test_a_claim_is_told_before_it_is_made(error: Exception | None) -> None:
    """A worker that dies before it has the answer may have the claim."""
    told = ToldClaims()
    tasks = Asked(told, error)
    leases = Leases(tasks, Board(), 2.0, told)

    ask(tasks, leases, claim())

    assert tasks.told_before == [("claimed", *JOB)]
    assert told.held == (set() if error is REFUSED else {JOB})


def test_a_claim_that_is_over_is_told() -> None:
    """A claim that is released, because its execution has ended, is over at once."""
    told = ToldClaims()
    leases = Leases(ScriptedTasks(), Board(), 2.0, told)
    leases.hold(claim())
    assert told.held == {JOB}

    leases.release(claim())

    assert told.events == [("claimed", *JOB), ("ended", *JOB)]


@pytest.mark.parametrize("how", ["hand_back", "hand_back_failed", "hand_back_blocked"])
def test_a_claim_that_waits_to_be_dropped_is_held(how: str) -> None:
    """The server still has it for this worker, so its death must end it as well."""
    told = ToldClaims()
    tasks = ScriptedTasks()
    with running(tasks, 0.03, told) as (leases, board):
        getattr(leases, how)(claim())  # the first time there is no pause
        wait_until(lambda: len(tasks.drops) == 1, what="the first drop")
        second = claim()
        leases.hold(second)
        leases.hand_back(second, 300)
        before = board.beats
        wait_until(lambda: board.beats > before + 2, what="some turns")

        assert told.held == {JOB}


@pytest.mark.parametrize("answer", [None, REFUSED], ids=["dropped", "over already"])
def test_a_claim_is_over_once_the_server_says_so(answer: Exception | None) -> None:
    """While the server does not answer a drop, the claim is held."""
    told = ToldClaims()
    tasks = ScriptedTasks()
    tasks.drop_errors = [UNANSWERED, UNANSWERED, *([answer] if answer else [])]
    held_at_drops: list[bool] = []
    drop = tasks.drop

    def watched(id: str, counter: int, *, budget: float | None = None) -> None:
        held_at_drops.append(JOB in told.held)
        drop(id, counter, budget=budget)

    tasks.drop = watched  # type: ignore[method-assign]
    with running(tasks, 0.03, told) as (leases, _):
        made = claim()
        leases.hold(made)
        leases.hand_back(made)
        wait_until(lambda: not told.held, what="the end of the claim")

    assert held_at_drops == [True, True, True]
    assert told.events == [("claimed", *JOB), ("ended", *JOB)]
