"""When a worker asks the server for offers, and what becomes of offers that it passes on."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, cast

import pytest

from shared.resonate.transport import Refused, Unanswered
from worker.tasks.offers import Inbox, Offer
from worker.tasks.rebalancing import CALLS_AT_ONCE, Rebalancer
from worker.tasks.supply import LONGEST_PAUSE, SHORTEST_PAUSE, Supply

if TYPE_CHECKING:
    from shared.resonate.tasks import Locks, Tasks

SLOTS = 4


class Requests:
    """The locks that a worker acquires; `away` stands for a server that does not answer."""

    def __init__(self) -> None:
        self.made: list[tuple[str, str, str]] = []
        self.away = False

    def acquire(self, resource: str, holder: str, pid: str, milliseconds: int) -> None:
        assert milliseconds == 1
        self.made.append((resource, holder, pid))
        if self.away:
            raise Unanswered("away")


class SlowTasks:
    """A server that takes a while for each claim."""

    def __init__(self) -> None:
        self.claimed: list[str] = []

    def claim_raw(self, id: str, counter: int, pid: str, ttl: int) -> Any:  # noqa: ARG002
        time.sleep(0.02)
        self.claimed.append(id)


@pytest.fixture(name="clock")
def _clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    return clock


def supply(requests: Requests, inbox: Inbox) -> Supply:
    """Return the supply of a worker in the group `blue`."""
    return Supply(cast("Locks", requests), inbox, group="blue", pid="p", slots=SLOTS)


def times(made: Supply, requests: Requests, clock: list[float], seconds: float) -> list[float]:
    """Return the seconds at which requests are made, to a hundredth."""
    began, found = clock[0], []
    while clock[0] < began + seconds:
        before = len(requests.made)
        made.turn()
        if len(requests.made) > before:
            found.append(round(clock[0] - began, 2))
        clock[0] += 0.01
    return found


def offers(number: int, at: float) -> list[Offer]:
    """Return offers that have arrived at a time."""
    return [Offer("invoke", f"__invoke:{n}", 1, at) for n in range(number)]


def test_a_worker_with_room_asks_for_what_it_lacks() -> None:
    """A request has a lock of its own, the group and the number of offers; full, there is none."""
    requests, inbox = Requests(), Inbox(fewest=4)
    made = supply(requests, inbox)

    made.turn()
    for offer in offers(4, time.monotonic()):
        inbox.put(offer)
    time.sleep(SHORTEST_PAUSE)
    made.turn()
    assert requests.made == [("offers.p.1", "blue", "4")]
    inbox.take()
    inbox.take()
    made.turn()

    assert requests.made[1:] == [("offers.p.2", "blue", "2")]


def test_requests_that_bring_nothing_become_rare(clock: list[float]) -> None:
    """The pause grows to a second, and is short again once the offers would fill the slots."""
    requests, inbox = Requests(), Inbox()
    made = supply(requests, inbox)

    early = times(made, requests, clock, 3)
    assert 4 <= len(early) <= 6
    late = times(made, requests, clock, 10)
    assert len(late) == pytest.approx(10 / LONGEST_PAUSE, abs=1)
    for offer in offers(SLOTS, clock[0]):
        inbox.put(offer)

    assert times(made, requests, clock, 0.15) != []


def test_a_server_that_does_not_answer_is_asked_again_soon(clock: list[float]) -> None:
    """After a failed request the pause is the shortest."""
    requests, inbox = Requests(), Inbox()
    requests.away = True
    made = supply(requests, inbox)

    assert len(times(made, requests, clock, 1)) >= 8


def passing(tasks: object) -> Rebalancer:
    """Return a rebalancer that makes its claims with `tasks`."""
    locks = cast("Locks", Requests())
    return Rebalancer(cast("Tasks", tasks), locks, Inbox(), group="blue", pid="p", slots=SLOTS)


def test_offers_for_which_there_is_no_time_are_kept() -> None:
    """Passing on ends with its time, and returns the offers that it did not come to, in order."""
    tasks = SlowTasks()
    waiting = offers(200, time.monotonic())

    kept = passing(tasks).pass_on(waiting, 0.1)

    claimed = set(tasks.claimed)
    assert 0 < len(claimed) == len(tasks.claimed) < 200
    assert kept == [offer for offer in waiting if offer.task not in claimed]


class MeetingTasks:
    """A server that answers claims once there are so many at the same time."""

    def __init__(self, count: int) -> None:
        self._meeting = threading.Barrier(count)

    def claim_raw(self, id: str, counter: int, pid: str, ttl: int) -> Any:  # noqa: ARG002
        self._meeting.wait(5)


def test_offers_are_passed_on_at_the_same_time() -> None:
    """The time of a call does not add up, so that others have the offers before they are old."""
    waiting = offers(3 * CALLS_AT_ONCE, time.monotonic())

    assert passing(MeetingTasks(CALLS_AT_ONCE)).pass_on(waiting, 5) == []


@pytest.mark.parametrize("error", [Refused(404, 40400, "no task"), Unanswered("no answer")])
def test_an_offer_is_given_up_whatever_the_server_says(error: Exception) -> None:
    """A claim that was made, or may have been, is not made again."""

    class Tasks:
        def claim_raw(self, id: str, counter: int, pid: str, ttl: int) -> Any:  # noqa: ARG002
            raise error

    assert passing(Tasks()).pass_on(offers(3, time.monotonic()), 5) == []
