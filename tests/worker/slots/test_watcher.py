"""Of which claims the server is asked, and in which order."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import pytest

from worker.slots.watcher import MOST_ASKED, PROOF_SECONDS, Watcher
from worker.tasks.claims import Claim

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.resonate.tasks import Tasks
    from worker.slots.slot import Slot
    from worker.tasks.leases import Leases
    from worker.user_calls import UserCalls

COUNT = 2 * MOST_ASKED + 20


@dataclass
class BusySlot:
    """Runs an execution in silence."""

    claim: Claim | None

    def give_up(self, claim: Claim) -> None:
        assert claim is self.claim
        self.claim = None


@dataclass
class AskedTasks:
    """Answers whether a claim stands: all but those that are `over`."""

    asked: list[str] = field(default_factory=list)
    over: set[str] = field(default_factory=set)

    def holds(self, execution_id: str, fence: Mapping[str, str]) -> bool:
        assert fence
        self.asked.append(execution_id)
        return execution_id not in self.over


class SoundLeases:
    """All leases hold."""

    def valid(self, claim: Claim) -> bool:
        return claim.lost is None


class NoCalls:
    """No user code is overdue or left behind."""

    def end_overdue(self) -> None:
        """Do nothing."""

    def leave_calls_of_lost_claims(self) -> None:
        """Do nothing."""


def silent_claim(number: int) -> Claim:
    """Return a claim of which the server has said nothing for longer than a second."""
    claim = Claim(f"__invoke:job-{number}", 1, f"job-{number}")
    claim.deadline = int((time.time() + 600) * 1000)
    claim.taken_at -= PROOF_SECONDS + 1
    return claim


@pytest.fixture(name="slots")
def _slots() -> list[BusySlot]:
    return [BusySlot(silent_claim(number)) for number in range(COUNT)]


@pytest.fixture(name="tasks")
def _tasks() -> AskedTasks:
    return AskedTasks()


@pytest.fixture(name="watcher")
def _watcher(slots: list[BusySlot], tasks: AskedTasks) -> Watcher:
    return Watcher(
        cast("list[Slot]", slots),
        cast("Tasks", tasks),
        cast("Leases", SoundLeases()),
        cast("UserCalls", NoCalls()),
    )


def test_many_claims_take_turns(watcher: Watcher, tasks: AskedTasks) -> None:
    """However many are silent, one look asks of so many at most, and each comes to its turn."""
    counts = []
    for _ in range(3):
        before = len(tasks.asked)
        watcher._look()
        counts.append(len(tasks.asked) - before)

    assert counts == [MOST_ASKED, MOST_ASKED, 20]
    assert set(Counter(tasks.asked).values()) == {1}


def test_what_is_over_is_found_in_its_turn(
    watcher: Watcher, slots: list[BusySlot], tasks: AskedTasks
) -> None:
    """A slot whose claim is over is given back, wherever it stands among a thousand."""
    tasks.over = {"job-3", f"job-{COUNT - 1}"}
    for _ in range(3):
        watcher._look()

    given_back = [number for number, slot in enumerate(slots) if slot.claim is None]
    assert given_back == [3, COUNT - 1]


def test_the_longest_silent_comes_first(
    watcher: Watcher, slots: list[BusySlot], tasks: AskedTasks
) -> None:
    """A claim of which the server has said nothing for longest is asked of first."""
    last = slots[-1].claim
    assert last is not None
    last.taken_at -= 5

    watcher._look()

    assert tasks.asked[0] == last.execution
