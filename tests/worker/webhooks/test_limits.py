"""Places for calls to receivers of webhooks."""

from __future__ import annotations

import threading
from contextlib import ExitStack

import pytest

from worker.webhooks.limits import MANY_RECEIVERS, PATIENCE_SECONDS, NotNow, ReceiverLimits


class PlayedClock:
    """A clock that a test moves on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def refused(limits: ReceiverLimits, receiver: str, *, in_turn: bool = False) -> float:
    """Return for how long a call that finds no place has to wait for its turn."""
    with pytest.raises(NotNow) as refusal, limits.place(receiver, in_turn=in_turn):
        pass
    return refusal.value.seconds


def throttled(limits: ReceiverLimits, receiver: str, asked: float | None) -> float:
    """Make a call that is throttled; return for how long it has to wait for its turn."""
    with limits.place(receiver) as place:
        return place.throttle(asked)


def test_one_receiver_has_a_quarter_and_all_have_half() -> None:
    """Of eight slots two may call the same receiver, and four may call any receiver."""
    clock = PlayedClock()
    limits = ReceiverLimits(8, clock)
    with ExitStack() as held:
        for host in ("a", "a", "b", "c"):
            held.enter_context(limits.place(host))
        clock.now += 2 * PATIENCE_SECONDS

        assert refused(limits, "a")
        assert refused(limits, "d")
    clock.now += 10
    with limits.place("d"):
        pass


def test_there_is_always_one_place() -> None:
    """A worker with one slot may call a receiver too."""
    with ReceiverLimits(1).place("a"):
        pass


def test_a_free_place_goes_to_a_waiting_call() -> None:
    """A call waits for a place that is soon free."""
    limits, had = ReceiverLimits(1, PlayedClock()), threading.Event()

    def wait() -> None:
        with limits.place("a"):
            had.set()

    waiting = threading.Thread(target=wait)
    with limits.place("a"):
        waiting.start()
        assert not had.wait(0.1)
    waiting.join(30)

    assert had.is_set()


def test_no_call_waits_for_slow_ones() -> None:
    """When the calls in the way are slow, a place is refused without waiting."""
    clock = PlayedClock()
    limits = ReceiverLimits(1, clock)
    with limits.place("a"):
        clock.now += 2 * PATIENCE_SECONDS

        assert refused(limits, "a") >= PATIENCE_SECONDS  # a call that waited would never return


def test_those_who_wait_get_turns_as_far_apart_as_the_calls_take() -> None:
    """A call that has run for 5 s is taken to run for 10 s: the turns are 10 s apart."""
    clock = PlayedClock()
    limits = ReceiverLimits(1, clock)
    with limits.place("a"):
        clock.now += 5

        waits = [refused(limits, "a") for _ in range(3)]

    assert waits == [1, 11, 21]


def test_a_call_in_its_turn_goes_before_those_that_come_later() -> None:
    """Once the place is free, a new call waits behind those that wait already."""
    clock = PlayedClock()
    limits = ReceiverLimits(1, clock)
    with limits.place("a"):
        clock.now += 5
        assert refused(limits, "a") == 1
    clock.now += 1

    assert refused(limits, "a") > 1
    with limits.place("a", in_turn=True):
        pass


def test_a_receiver_that_throttles_is_left_alone_by_all() -> None:
    """After one 429 with 30 s no other webhook is tried before, though places are free."""
    clock = PlayedClock()
    limits = ReceiverLimits(16, clock)

    assert throttled(limits, "a", 30) == 30
    waits = [refused(limits, "a", in_turn=bool(number % 2)) for number in range(200)]

    assert min(waits) > 30
    assert waits == sorted(waits)
    assert len(set(waits)) == 200, "and they come one after the other"
    clock.now += 30
    with limits.place("a", in_turn=True):
        pass


def test_a_receiver_that_throttles_is_in_no_others_way() -> None:
    """Other hosts, and other ports of the same host, are called as ever."""
    limits = ReceiverLimits(4, PlayedClock())
    throttled(limits, "a:80", 30)

    for receiver in ("b:80", "a:81"):
        with limits.place(receiver):
            pass


def test_receivers_for_which_nobody_waits_are_forgotten() -> None:
    """A client that names a new port each time makes no worker grow."""
    clock = PlayedClock()
    limits = ReceiverLimits(4, clock)
    throttled(limits, "busy", 3600)
    for number in range(3 * MANY_RECEIVERS):
        with limits.place(f"a:{number}"):
            clock.now += 0.001

    assert len(limits._paces) <= MANY_RECEIVERS
    assert refused(limits, "busy") > 3000
