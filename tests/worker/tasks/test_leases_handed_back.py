"""Claims are handed back: once, again until it is answered, or later."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import wait_until
from tests.support.worker.leases import REFUSED, UNANSWERED, ScriptedTasks, claim, running
from worker.tasks.claims import Claim

if TYPE_CHECKING:
    from worker.tasks.leases import Leases


@pytest.mark.parametrize("errors", [[], [REFUSED]], ids=["dropped", "over already"])
def test_a_claim_that_is_given_back_is_dropped_once(errors: list[Exception]) -> None:
    """A claim that is handed back is dropped at the server at once, and only once."""
    tasks = ScriptedTasks()
    tasks.drop_errors = list(errors)
    with running(tasks, 30) as (leases, _):
        leases.hand_back(claim(7))
        wait_until(lambda: tasks.drops, what="the drop")
        leases.hand_back(claim(8))
        wait_until(lambda: len(tasks.drops) == 2, what="the next drop")

    assert tasks.drops == [("__invoke:job-7", 7, 0), ("__invoke:job-8", 8, 0)]


def test_a_drop_is_repeated_until_it_is_answered() -> None:
    """A drop is repeated while the server is unreachable, or renewals would keep the claim."""
    tasks = ScriptedTasks()
    tasks.drop_errors = [UNANSWERED, UNANSWERED]
    with running(tasks) as (leases, board):
        leases.hand_back(claim())
        wait_until(lambda: len(tasks.drops) == 3, what="three drops")
        before = board.beats
        wait_until(lambda: board.beats > before + 1, what="another turn")

    assert tasks.drops == [("__invoke:job-1", 1, 0)] * 3


def test_a_claim_can_be_given_back_later() -> None:
    """A claim that is handed back with a pause is dropped after it, and not held meanwhile."""
    tasks = ScriptedTasks()
    with running(tasks, 0.03) as (leases, board):
        made = claim()
        leases.hold(made)
        begun = time.monotonic()
        leases.hand_back(made, 0.15)

        assert leases.held() == []
        wait_until(lambda: tasks.drops, what="the drop")
        assert tasks.renewals, "or the server would offer the task before the pause is over"
        wait_until(lambda: board.held == 0, what="the end of renewals")

    assert tasks.dropped_at[0] - begun >= 0.15


def test_an_execution_that_goes_wrong_again_is_handed_back_later() -> None:
    """The first claim that goes wrong is dropped at once, the next one after a pause."""
    tasks = ScriptedTasks()
    with running(tasks, 0.03) as (leases, _):
        leases.hand_back_failed(claim(1))
        wait_until(lambda: len(tasks.drops) == 1, what="the first drop")
        begun = time.monotonic()
        leases.hand_back_failed(Claim("__invoke:job-1", 2, "job-1"))
        leases.hand_back_failed(claim(3))
        wait_until(lambda: len(tasks.drops) == 3, what="the other drops")

    assert [counter for _, counter, _ in tasks.drops] == [1, 3, 2]
    assert tasks.dropped_at[2] - begun >= 0.5


def paused(leases: Leases, execution: str, counter: int) -> float:
    """Hand a blocked execution back; return after how many seconds the claim is to be dropped."""
    made = Claim(f"__invoke:{execution}", counter, execution)
    with pytest.MonkeyPatch.context() as patch:
        pauses: list[float] = []
        patch.setattr(leases, "hand_back", lambda _, pause: pauses.append(pause))
        leases.hand_back_blocked(made)
    return pauses[0]


def test_few_blocked_executions_are_handed_back_soon() -> None:
    """A worker that cannot go on keeps an execution for seconds only: another one may be idle."""
    with running(ScriptedTasks(), 30) as (leases, _):
        pauses = [paused(leases, "job", counter) for counter in range(20)]

    assert pauses[:4] == [0, 0.5, 1, 2]
    assert set(pauses[6:]) == {5}


def test_many_blocked_executions_are_handed_back_evenly() -> None:
    """However many executions are blocked, also new ones, the server has few claims a second."""
    with running(ScriptedTasks(), 30) as (leases, _):
        waiting = [Claim(f"__invoke:job-{number}", 1, f"job-{number}") for number in range(1000)]
        for each in waiting[:100]:
            leases.hand_back(each, 300)
        few = paused(leases, "job", 1)
        for each in waiting[100:]:
            leases.hand_back(each, 300)
        many = paused(leases, "other", 1)

    assert (few, many) == (20, 30)
