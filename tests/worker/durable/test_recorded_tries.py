"""Which failed tries of a step are recorded."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from worker.durable.recorded_tries import RecordedTries

if TYPE_CHECKING:
    from collections.abc import Iterable


def recorded(pauses: Iterable[float], took: float = 0.0) -> list[int]:
    """Return which failed tries of a step are recorded, each of which took a time."""
    tries, now, due = RecordedTries(0.0), 0.0, []
    for number, pause in enumerate(pauses, 1):
        now += took
        if tries.is_due(now, pause):
            due.append(number)
        now += pause
    return due


def test_tries_that_nobody_could_see_are_not_recorded() -> None:
    """Of a step that fails all its tries at once, or within half a second, none is recorded."""
    assert recorded([0.0] * 100) == []
    assert recorded([0.01] * 49) == []
    assert recorded([0.2]) == []


def test_the_default_pauses_add_two_records() -> None:
    """Of the default policy only the tries before its longest pauses are recorded."""
    assert recorded([0.15, 0.3, 0.6, 1.2]) == [3, 4]


def test_growing_pauses_are_all_recorded() -> None:
    """Where each pause is twice the one before, each failed try is recorded."""
    assert recorded([2.0**n for n in range(20)]) == list(range(1, 21))


def test_equal_pauses_are_recorded_more_and_more_rarely() -> None:
    """The records of very many tries are few, and the last one is never older than half of all."""
    due = recorded([1.0] * 10_000)

    assert due[:7] == [1, 2, 3, 4, 6, 10, 18]
    assert len(due) <= 16
    assert len(recorded([1.0] * 1_000_000)) <= 23
    assert all(later <= 2 * earlier for earlier, later in pairwise(due[1:]))


@pytest.mark.parametrize("took", [1.0, 3600.0])
def test_a_long_try_is_recorded_without_a_pause(took: float) -> None:
    """What has failed is known while the next try runs, however long the first ones took."""
    assert recorded([0.0] * 4, took)[:3] == [1, 2, 3]
    assert recorded([0.0, 1.0, 2.0], took) == [1, 2, 3]


def test_a_pause_after_many_short_ones_is_recorded() -> None:
    """A pause that lasts as long as the step has been failing is recorded, whatever was before."""
    assert recorded([*[0.1] * 100, 30.0])[-1] == 101
