"""Offers of the server: how they are read, and how they wait in the inbox."""

from __future__ import annotations

import threading
import time

import orjson
import pytest

from tests.support.processes import wait_until
from worker.tasks.offers import OVERFLOW, Inbox, Offer, parse
from worker.tasks.pace import MOST_OFFERS


@pytest.mark.parametrize("kind", ["invoke", "resume"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
@pytest.mark.parametrize("space", [b"", b" ", b"  "])
def test_an_offer_is_read(kind: str, end: bytes, space: bytes) -> None:
    """A data line with an offer is read, with any spacing and any line end."""
    sent = {"type": kind, "task": {"id": "__invoke:a", "counter": 3}, "head": {}}
    line = b"data:" + space + orjson.dumps(sent) + end

    began = time.monotonic()
    offer = parse(line)

    assert offer is not None
    assert (offer.kind, offer.task, offer.counter) == (kind, "__invoke:a", 3)
    assert began <= offer.arrived_at <= time.monotonic()


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"\r\n",
        b": keep alive\n",
        b"event: x\n",
        b"id: 1\n",
        b"retry: 10\n",
        b" data: {}\n",
        b"\xff\xfe\n",
        b'data: {"type":"notify","promise":{}}\n',
    ],
)
def test_other_lines_are_skipped(line: bytes) -> None:
    """Blank lines, comments, other fields and notifications are skipped without an error."""
    assert parse(line) is None


@pytest.mark.parametrize(
    "line",
    [
        b"data:",
        b"data: \n",
        b"data: x\n",
        b"data: null\n",
        b"data: []\n",
        b"data: {}\n",
        b'data: {"type":"invoke"}\n',
        b'data: {"type":"other","task":{"id":"a:b","counter":1}}\n',
        b'data: {"type":"invoke","task":{"id":"ab","counter":1}}\n',
        b'data: {"type":"invoke","task":{"id":1,"counter":1}}\n',
        b'data: {"type":"invoke","task":{"id":"a:b","counter":"1"}}\n',
        b'data: {"type":"invoke","task":{"id":"a:b","counter":1.5}}\n',
        b'data: {"type":"invoke","task":null}\n',
        b'data: {"type":"invoke","task":{"id":"a:\xff","counter":1}}\n',
        b'data: {"type":"invoke","task":{"id":"a:b","coun',
    ],
)
def test_an_unreadable_offer_is_an_error(line: bytes) -> None:
    """A data line that the server would not write raises `ValueError`."""
    with pytest.raises(ValueError, match=r"."):
        parse(line)


@pytest.mark.parametrize(
    ("task", "execution"),
    [
        ("__invoke:a", "a"),
        ("__resume:a:a.1", "a"),
        ("__resume:a:b:c", "a"),
        ("__invoke:é-😀", "é-😀"),
    ],
)
def test_a_task_names_its_execution(task: str, execution: str) -> None:
    """The execution's id is the second part of the task's id."""
    assert Offer("invoke", task, 1).execution == execution


def test_offers_are_taken_in_order() -> None:
    """The oldest offer is taken first, and each only once."""
    inbox = Inbox()
    offers = [Offer("invoke", f"__invoke:{number}", 1) for number in range(3)]
    for offer in offers:
        inbox.put(offer)

    assert len(inbox) == 3
    assert [inbox.take() for _ in range(3)] == offers
    assert len(inbox) == 0


def test_older_executions_are_taken_first() -> None:
    """Offers are taken by age, but those that resume an execution come before all others."""
    inbox = Inbox()
    young = Offer("invoke", "__invoke:a", 1, created_at=300)
    old = Offer("invoke", "__invoke:z", 2, created_at=100)
    goes_on = Offer("resume", "__resume:b:b.1", 1, created_at=400)
    for offer in (young, old, goes_on):
        inbox.put(offer)

    assert [inbox.take() for _ in range(3)] == [goes_on, old, young]


def test_the_age_of_a_task_is_read() -> None:
    """An offer has the time when the server created its task, and 0 if that is missing."""
    task = {"id": "__invoke:a", "counter": 1, "createdOn": 1795891767867}
    offer = parse(b"data: " + orjson.dumps({"type": "invoke", "task": task}))
    ageless = parse(b"data: " + orjson.dumps({"type": "invoke", "task": {**task, "createdOn": ""}}))

    assert offer is not None
    assert offer.created_at == 1795891767867
    assert ageless is not None
    assert ageless.created_at == 0


def test_a_full_inbox_has_room_again_when_half_empty() -> None:
    """A full inbox wants nothing until half of it is taken, and whoever waits for that is woken."""
    inbox = Inbox(fewest=4)
    assert (inbox.is_full(), inbox.wanted()) == (False, 4)
    for number in range(4):
        inbox.put(Offer("invoke", f"__invoke:{number}", 1))

    assert (inbox.is_full(), inbox.wanted()) == (True, 0)
    inbox.take()
    assert (inbox.is_full(), inbox.wanted()) == (True, 0)
    assert not inbox.wait_for_room(0)
    woken: list[bool] = []
    waiting = threading.Thread(target=lambda: woken.append(inbox.wait_for_room(30)))
    waiting.start()
    inbox.take()
    waiting.join(5)

    assert woken == [True]
    assert (inbox.is_full(), inbox.wanted()) == (False, 2)


def test_stale_offers_make_room() -> None:
    """Offers that became stale in a full inbox are dropped when it is looked at."""
    inbox = Inbox(stale_after=5.0, fewest=2)
    for number in range(2):
        inbox.put(Offer("invoke", f"__invoke:{number}", 1, time.monotonic() - 5.1))
    assert inbox.is_full()

    assert inbox.wanted() == 2
    assert (inbox.is_full(), len(inbox)) == (False, 0)


def test_a_faster_worker_wants_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full inbox holds what is taken in two seconds, and shrinks when that becomes less."""
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    inbox = Inbox(fewest=10)
    for number in range(100):
        inbox.put(Offer("invoke", f"__invoke:{number}", 1, clock[0]))
        inbox.take()

    clock[0] += 1
    assert inbox.wanted() == 200
    clock[0] += 1
    assert inbox.wanted() == 100
    for _ in range(9):
        clock[0] += 1
        inbox.wanted()
    assert inbox.wanted() == 10


def test_an_inbox_is_bounded() -> None:
    """Of far more offers than an inbox wants the oldest are kept."""
    inbox = Inbox()
    most = OVERFLOW * MOST_OFFERS
    for number in reversed(range(most + 10)):
        inbox.put(Offer("invoke", f"__invoke:{number}", 1, created_at=number))

    assert len(inbox) == most
    first, *_, last = [inbox.take() for _ in range(most)]
    assert first is not None
    assert last is not None
    assert (first.created_at, last.created_at) == (0, most - 1)


def test_offers_can_be_put_back() -> None:
    """Of the newest offers that were taken, those that are put back are in their places again."""
    inbox = Inbox()
    offers = [Offer("invoke", f"__invoke:{n}", 1, created_at=n) for n in range(4)]
    for offer in offers:
        inbox.put(offer)

    newest = inbox.take_newest(keep=1, limit=2)
    assert newest == [offers[3], offers[2]]
    again = Offer("invoke", "__invoke:3", 2, created_at=3)
    inbox.put(again)
    inbox.put_back(newest)

    assert [inbox.take() for _ in range(4)] == [*offers[:3], again]
    assert (len(inbox), inbox.take_newest(keep=1, limit=2)) == (0, [])


def test_a_newer_offer_replaces_the_older() -> None:
    """Of two offers of one task only the newer is kept, in its own place in the order."""
    inbox = Inbox()
    first, second, again = (
        Offer("invoke", "__invoke:a", 1),
        Offer("invoke", "__invoke:b", 1),
        Offer("invoke", "__invoke:a", 2),
    )
    for offer in (first, second, again):
        inbox.put(offer)

    assert [inbox.take(), inbox.take()] == [second, again]
    assert len(inbox) == 0


def test_a_stale_offer_is_skipped() -> None:
    """An offer that has waited too long is skipped: the server has offered its task again."""
    inbox = Inbox(stale_after=5.0)
    now = time.monotonic()
    stale = Offer("invoke", "__invoke:a", 1, now - 5.1)
    fresh = Offer("invoke", "__invoke:b", 1, now - 0.1)
    inbox.put(stale)
    inbox.put(fresh)

    assert inbox.take() == fresh


def test_waiting_threads_are_woken() -> None:
    """An offer wakes one waiting thread, and closing the inbox wakes all others."""
    inbox = Inbox()
    got: list[Offer | None] = []
    threads = [threading.Thread(target=lambda: got.append(inbox.take())) for _ in range(3)]
    for thread in threads:
        thread.start()
    offer = Offer("invoke", "__invoke:a", 1)

    inbox.put(offer)
    wait_until(lambda: got, what="the offer")
    assert got == [offer]
    inbox.close()
    for thread in threads:
        thread.join(5)

    assert got == [offer, None, None]


def test_a_closed_inbox_gives_nothing() -> None:
    """A closed inbox returns no offers, neither earlier ones nor later ones."""
    inbox = Inbox()
    inbox.put(Offer("invoke", "__invoke:a", 1))
    inbox.close()
    inbox.put(Offer("invoke", "__invoke:b", 1))

    assert inbox.take() is None


def names_of(inbox: Inbox) -> list[tuple[str, int]]:
    """Return the tasks and counters of the offers that wait."""
    return [(offer.task, offer.counter) for offer in inbox.waiting()]


def test_the_offers_that_wait_have_names() -> None:
    """The names are tasks with their newest counters, of what waits and nothing else."""
    inbox = Inbox()
    assert names_of(inbox) == []
    for task, counter in (("__invoke:a", 1), ("__resume:b:c", 2), ("__invoke:a", 3)):
        inbox.put(Offer("invoke", task, counter))

    assert sorted(names_of(inbox)) == [("__invoke:a", 3), ("__resume:b:c", 2)]
    taken = inbox.take()
    assert taken is not None
    assert (taken.task, taken.counter) not in names_of(inbox)
    inbox.put_back([taken])
    assert len(names_of(inbox)) == 2
    inbox.close()
    assert names_of(inbox) == []
