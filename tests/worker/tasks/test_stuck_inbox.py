"""An inbox from which no slot takes anything, because long executions have all of them."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from worker.tasks.offers import Inbox, Offer
from worker.tasks.pace import SUPPLY_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(name="clock")
def _clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    clock = [1000.0]
    with monkeypatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: clock[0])
        yield clock


def offer(number: int, at: float) -> Offer:
    """Return an offer that has arrived at a time."""
    return Offer("invoke", f"__invoke:{number}", 1, at)


def test_offers_that_nobody_takes_fill_the_inbox(clock: list[float]) -> None:
    """A single offer that has waited makes it full, until a slot is free."""
    inbox = Inbox()
    inbox.put(offer(1, clock[0]))
    clock[0] += SUPPLY_SECONDS - 0.1
    assert inbox.wanted() > 0
    assert not inbox.is_stuck()

    clock[0] += 0.1
    assert inbox.wanted() == 0
    assert inbox.is_stuck()
    assert inbox.is_full()
    inbox.take_newest(keep=0, limit=9)
    assert inbox.wanted() == 0

    inbox.put(offer(2, clock[0]))
    assert inbox.take() == offer(2, clock[0])
    assert not inbox.is_full()
    assert inbox.wanted() > 0


def test_an_inbox_from_which_offers_are_taken_is_not_stuck(clock: list[float]) -> None:
    """However long an offer waits, what counts is when one was taken."""
    inbox = Inbox()
    for number in range(9):
        inbox.put(offer(number, clock[0]))

    for _ in range(3):
        clock[0] += SUPPLY_SECONDS / 2
        inbox.take()
        inbox.wanted()
        assert not inbox.is_stuck()


def test_a_free_slot_keeps_the_inbox_open(clock: list[float]) -> None:
    """A slot that waits for an offer ends that the inbox is stuck, and it does not become so."""
    inbox = Inbox()
    inbox.put(offer(1, clock[0]))
    clock[0] += SUPPLY_SECONDS
    inbox.wanted()
    inbox.take_newest(keep=0, limit=9)
    taking = threading.Thread(target=inbox.take)
    taking.start()
    assert inbox.wait_for_room(5)
    assert inbox.wanted() > 0

    inbox.close()
    taking.join(5)


def test_a_slot_that_is_slow_to_wake_is_free(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that was frozen finds old offers beside its free slots, and is not stuck."""
    inbox = Inbox()
    taking = threading.Thread(target=inbox.take)
    taking.start()
    while not inbox._free_slots:
        taking.join(0.01)
    with monkeypatch.context() as patch:
        patch.setattr(inbox._changed, "notify", lambda: None)
        inbox.put(offer(1, clock[0]))
    clock[0] += SUPPLY_SECONDS

    assert inbox.wanted() > 0
    assert not inbox.is_stuck()

    inbox.close()
    taking.join(5)
