"""When a worker asks the server for offers, and what becomes of offers that it passes on."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, cast

import pytest

from shared.resonate.tasks import TaskState
from shared.resonate.transport import Refused, Unanswered
from worker.tasks.offers import Inbox, Offer
from worker.tasks.rebalancing import (
    CALLS_AT_ONCE,
    MOST_WATCHED,
    WATCH_SECONDS,
    Rebalancer,
    Watched,
)
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


class KnownTasks:
    """A server that knows the states of tasks; `away` stands for one that does not answer."""

    def __init__(self, **states: TaskState) -> None:
        self.states = states
        self.away = False
        self.asked = 0

    def state(self, id: str) -> TaskState:
        self.asked += 1
        if self.away:
            raise Unanswered("away")
        if id not in self.states:
            raise Refused(404, 40400, "no task")
        return self.states[id]


def waiting(name: str, created_at: int) -> Offer:
    """Return the offer of a task."""
    return Offer("invoke", name, 1, created_at=created_at)


def test_the_oldest_task_that_was_passed_on_is_watched(clock: list[float]) -> None:
    """It is known until somebody has claimed it; then the next one is, if that still waits."""
    tasks = KnownTasks(a=TaskState.FREE, b=TaskState.HELD, d=TaskState.FREE)
    watched = Watched(cast("Tasks", tasks))
    first, last = waiting("a", 1), waiting("d", 4)
    watched.add([last, waiting("c", 3)])
    watched.add([waiting("b", 2), first])
    watched.turn()
    assert watched.oldest() is first

    tasks.states["a"] = TaskState.OVER
    clock[0] += WATCH_SECONDS - 0.1
    watched.turn()
    assert watched.oldest() is first
    clock[0] += 0.2
    watched.turn()

    assert watched.oldest() is last


def test_a_task_is_watched_while_the_server_is_away(clock: list[float]) -> None:
    """What the server does not say is asked again later; without tasks nothing is asked."""
    tasks = KnownTasks(a=TaskState.HELD)
    watched = Watched(cast("Tasks", tasks))
    watched.turn()
    assert (tasks.asked, watched.oldest()) == (0, None)
    watched.add([waiting("a", 1)])
    tasks.away = True
    watched.turn()
    assert watched.oldest() is not None

    tasks.away = False
    clock[0] += WATCH_SECONDS
    watched.turn()

    assert watched.oldest() is None


def test_few_tasks_are_watched() -> None:
    """Of many the oldest are known, whatever their order."""
    watched = Watched(cast("Tasks", KnownTasks()))
    offers = [waiting(f"{n}", n) for n in range(150)]
    for first in (50, 0, 100):
        watched.add(offers[first : first + 50])

    assert watched.oldest() is offers[0]
    assert len(watched) == MOST_WATCHED
