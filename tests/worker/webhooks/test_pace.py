"""Turns of the webhooks that wait for one receiver, in played time."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from worker.webhooks.pace import (
    LONGEST_GAP_SECONDS,
    LONGEST_PAUSE_SECONDS,
    LONGEST_WAIT_SECONDS,
    Pace,
)

if TYPE_CHECKING:
    from collections.abc import Callable

DELIVERIES = 200
CALLS = 4
TIMEOUT = 15.0


def play(receive: Callable[[float], tuple[float, int]], seconds: float) -> tuple[Counter[int], int]:
    """Let 200 webhooks come at once, each until it is taken or has failed.

    `receive` says of a call at some time how long it takes and its status. Returns how often each
    webhook had to wait, and how many were called in vain.
    """
    pace, waits, refused = Pace(CALLS), Counter[int](), 0
    coming = [(0.001 * number, number, False) for number in range(DELIVERIES)]
    running: list[tuple[float, float, int, int]] = []
    while coming or running:
        if running and (not coming or running[0][0] <= coming[0][0]):
            now, began, status, number = heapq.heappop(running)
            if status == 429:
                refused += 1
                pace.throttled(began, now, None)
                heapq.heappush(coming, (now + pace.turn(now), number, True))
            else:
                pace.answered(now - began)
            continue
        now, number, in_turn = heapq.heappop(coming)
        if now > seconds:
            break
        if pace.admits(now, in_turn=in_turn) and len(running) < CALLS:
            took, status = receive(now)
            heapq.heappush(running, (now + took, now, status, number))
            continue
        waits[number] += 1
        oldest = min((began for _, began, _, _ in running), default=now)
        heapq.heappush(coming, (now + pace.turn(now, now - oldest), number, True))
    return waits, refused


def test_those_who_wait_for_a_receiver_that_hangs_ask_a_few_times_only() -> None:
    """200 webhooks, each of which times out after 15 s at 4 a time: 12.5 minutes in all."""
    waits, _ = play(lambda _: (TIMEOUT, 204), 3600)

    assert len(waits) == DELIVERIES - CALLS
    assert max(waits.values()) <= 8
    assert waits.total() <= 4 * DELIVERIES


def test_a_receiver_that_takes_one_call_in_so_many_seconds_is_seldom_called_in_vain() -> None:
    """A receiver takes one call in 10 s and says 429 to the others, without `Retry-After`."""
    taken: list[float] = []

    def receive(now: float) -> tuple[float, int]:
        if taken and now < taken[-1] + 10:
            return 0.01, 429
        taken.append(now)
        return 0.01, 204

    waits, refused = play(receive, 4 * 3600)

    assert len(taken) == DELIVERIES
    assert refused <= 1.5 * DELIVERIES
    assert waits.total() <= 8 * DELIVERIES
    assert taken[-1] <= 2 * 10 * DELIVERIES, "it is used at half of what it takes, or more"


def test_a_receiver_that_was_down_gets_all_webhooks_soon() -> None:
    """A receiver says 503 for an hour: the hour leaves few traces, and few calls are made."""
    last = 0.0

    def receive(now: float) -> tuple[float, int]:
        nonlocal last
        last = now
        return 0.01, 429 if now < 3600 else 204

    waits, refused = play(receive, 4 * 3600)

    assert refused <= 40
    assert max(waits.values()) <= 16
    assert last <= 3600 + LONGEST_PAUSE_SECONDS + 3 * DELIVERIES


def test_nobody_calls_a_receiver_before_it_is_open() -> None:
    """A receiver that asks for 30 s gets no call before, and then one after the other."""
    pace = Pace(CALLS)
    pace.throttled(began=0.0, now=1.0, asked=30)

    assert not pace.admits(30.9, in_turn=True)
    assert pace.admits(31.0, in_turn=True)
    first, second = pace.turn(2.0), pace.turn(2.0)
    assert first == 29.0
    assert second > first
    assert not pace.admits(31.0, in_turn=False), "a webhook that comes later waits behind them"


def test_a_later_and_shorter_wait_does_not_open_the_receiver() -> None:
    """The longest of the waits for which a receiver asked holds."""
    pace = Pace(CALLS)
    pace.throttled(began=0.0, now=1.0, asked=30)
    pace.throttled(began=0.5, now=2.0, asked=1)

    assert pace.closed_until == 31.0


def test_without_a_header_the_pause_doubles_up_to_five_minutes() -> None:
    """Each time that the receiver throttles again it is left alone for twice as long."""
    pace, now, pauses = Pace(CALLS), 0.0, []
    for _ in range(12):
        pace.throttled(began=now, now=now, asked=None)
        pauses.append(pace.closed_until - now)
        now = pace.closed_until

    assert pauses[:4] == [1, 2, 4, 8]
    assert pauses[-1] == LONGEST_PAUSE_SECONDS


def test_calls_at_the_same_time_count_once() -> None:
    """Four calls that are throttled together do not make the pause sixteen times as long."""
    pace = Pace(CALLS)
    for _ in range(CALLS):
        pace.throttled(began=0.0, now=1.0, asked=None)

    assert pace.closed_until == 2.0


@pytest.mark.parametrize("asked", [0, 0.2])
def test_a_receiver_that_asks_for_no_time_is_left_alone_for_a_second(asked: float) -> None:
    """`Retry-After: 0` does not make a loop of calls."""
    pace = Pace(CALLS)
    pace.throttled(began=0.0, now=1.0, asked=asked)

    assert pace.closed_until == 2.0


def test_nobody_waits_more_than_an_hour_for_an_open_receiver() -> None:
    """However many wait, a webhook asks again within an hour: the receiver may be faster then."""
    pace = Pace(1)
    pace.answered(TIMEOUT)

    waits = [pace.turn(0.0) for _ in range(2000)]

    assert max(waits) <= LONGEST_WAIT_SECONDS
    assert min(waits[1000:]) >= LONGEST_WAIT_SECONDS / 2
    assert len(set(waits[1000:])) == 1000, "they do not all come at the same time"


def test_a_pace_is_idle_once_its_last_turn_has_come() -> None:
    """Nobody waits: then nothing needs to be remembered."""
    pace = Pace(CALLS)
    assert pace.is_idle(0.0)
    pace.throttled(began=0.0, now=0.0, asked=30)
    wait = pace.turn(0.0) + pace.turn(0.0)

    assert not pace.is_idle(29.0)
    assert pace.is_idle(wait + 1)


def test_turns_at_a_receiver_that_throttles_are_close_together() -> None:
    """A receiver that has hung once, and then throttles, is not taken for one that hangs."""
    pace = Pace(1)
    pace.answered(TIMEOUT)
    pace.throttled(TIMEOUT, TIMEOUT, 1.0)

    turns = [pace.turn(TIMEOUT) for _ in range(5)]

    apart = [after - before for before, after in itertools.pairwise(turns)]
    assert apart == pytest.approx([LONGEST_GAP_SECONDS] * 4)
