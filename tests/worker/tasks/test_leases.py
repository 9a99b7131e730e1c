"""Claims are held, renewed and handed back, with a server whose answers a test scripts."""

from __future__ import annotations

import time

import pytest

from tests.support.processes import wait_until
from tests.support.worker.leases import REFUSED, UNANSWERED, ScriptedTasks, claim, running
from worker.errors import Fenced
from worker.tasks.board import Board
from worker.tasks.claim_handle import ClaimHandle
from worker.tasks.claims import Claim
from worker.tasks.leases import Leases


def test_a_claim_is_named_by_task_and_counter() -> None:
    """A claim's key is one word; the server gets it as two headers."""
    made = Claim("__invoke:a", 7, "a")

    assert made.key == "__invoke:a/7"
    assert made.fence == {"task-id": "__invoke:a", "task-counter": "7"}


def test_claims_are_held() -> None:
    """Claims are held until they are released or handed back."""
    leases = Leases(ScriptedTasks(), Board(), 2.0)
    one, two, three = claim(1), claim(2), claim(3)
    for each in (one, two, three):
        leases.hold(each)

    leases.release(two)
    leases.hand_back(three)
    leases.release(two)

    assert leases.held() == [one]
    assert leases.milliseconds == 2000


def test_two_claims_of_a_task_are_two() -> None:
    """An earlier claim of a task can be handed back while a later one is held."""
    leases = Leases(ScriptedTasks(), Board(), 2.0)
    earlier, later = Claim("__invoke:a", 1, "a"), Claim("__invoke:a", 2, "a")
    leases.hold(earlier)
    leases.hold(later)

    leases.hand_back(earlier)

    assert leases.held() == [later]


@pytest.mark.parametrize(
    ("age", "written", "lost", "valid"),
    [
        (0.0, None, None, True),
        (59.0, None, None, True),
        (61.0, None, None, False),
        (0.0, None, "fenced off", False),
        (1000.0, 29.0, None, True),
        (1000.0, 31.0, None, False),
    ],
    ids=["fresh", "old", "run out", "lost", "written for", "written for long ago"],
)
def test_a_claim_is_valid_for_its_lease(
    age: float,
    written: float | None,
    lost: str | None,
    valid: bool,  # noqa: FBT001
) -> None:
    """A claim is valid for one lease, or for half of one after a write, unless it was lost."""
    leases = Leases(ScriptedTasks(), Board(), 60.0)
    made = claim(age=age)
    made.lost = lost
    if written is not None:
        made.written_at = time.monotonic() - written

    assert leases.valid(made) is valid


def test_a_claim_that_ran_out_is_not_renewed() -> None:
    """After a gap a renewal proves nothing for a claim, but an accepted write does."""
    tasks = ScriptedTasks()
    with running(tasks, 0.3) as (leases, board):
        frozen, other = claim(1, age=10), claim(2)
        for each in (frozen, other):
            leases.hold(each)
        wait_until(lambda: board.renewed_at > other.taken_at + 0.3, what="more than a lease")

        assert (leases.valid(frozen), leases.valid(other)) == (False, True)
        frozen.written_at = time.monotonic()
        wait_until(lambda: board.renewed_at > frozen.written_at + 0.3, what="renewals")
        assert leases.valid(frozen)


def test_renewals_keep_a_claim() -> None:
    """While the server acknowledges renewals a claim outlives its first lease."""
    tasks = ScriptedTasks()
    with running(tasks, 0.3) as (leases, board):
        made = claim()
        leases.hold(made)
        wait_until(lambda: board.renewed_at > made.taken_at + 0.3, what="more than a lease")

        assert leases.valid(made)
        assert leases.overdue() < 0.3

    assert tasks.renewals[:3] == ["pid-1"] * 3


@pytest.mark.parametrize("error", [REFUSED, UNANSWERED])
def test_renewals_that_fail_lose_a_claim(error: Exception) -> None:
    """Without an acknowledged renewal a claim ends with its lease, and the delay is reported."""
    tasks = ScriptedTasks()
    tasks.lasting = error
    with running(tasks) as (leases, _):
        made = claim()
        leases.hold(made)

        wait_until(lambda: not leases.valid(made), what="the end of the lease")
        wait_until(lambda: leases.overdue() >= 0.06, what="the delay")
        assert leases.is_alive()
        assert leases.held() == [made]


def test_renewals_go_on_after_a_failure() -> None:
    """After a renewal that failed, the next one succeeds."""
    tasks = ScriptedTasks(UNANSWERED)
    with running(tasks, 0.3) as (leases, board):
        leases.hold(claim())

        wait_until(lambda: len(tasks.renewals) >= 2 and board.renewed_at > 0)
        assert board.failures == 1
        assert board.reason == "nobody there"

    assert tasks.errors == []


def test_nothing_is_renewed_without_claims() -> None:
    """A worker without claims sends no renewals, and none are overdue."""
    tasks = ScriptedTasks()
    with running(tasks, 0.03) as (leases, board):
        before = board.beats
        wait_until(lambda: board.beats > before + 2, what="two turns")

        assert leases.overdue() == 0.0

    assert tasks.renewals == []


def test_a_new_claim_is_not_overdue_at_once() -> None:
    """The delay of renewals counts from the time when the oldest claim was taken."""
    leases = Leases(ScriptedTasks(), Board(), 2.0)
    leases.hold(claim(age=5))
    leases.hold(claim(2))

    assert 5 <= leases.overdue() < 6


def test_a_valid_claim_passes_the_check() -> None:
    """The check of a valid claim raises nothing and changes nothing."""
    made = claim()

    ClaimHandle(made, Leases(ScriptedTasks(), Board(), 60.0), "a", "workers").check()

    assert made.lost is None


@pytest.mark.parametrize(
    ("lost", "reason"), [(None, "the lease ran out"), ("fenced off", "fenced off")]
)
def test_a_lost_claim_fails_the_check(lost: str | None, reason: str) -> None:
    """The check of a lost claim raises `Fenced`, and the first reason of the loss is kept."""
    made = claim()
    made.lost = lost

    with pytest.raises(Fenced, match=r"^job-1$"):
        ClaimHandle(made, Leases(ScriptedTasks(), Board(), 0.0), "a", "workers").check()

    assert made.lost == reason
