"""Signals in tests: values in order, at virtual times, and waits that time out."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from durable_http import NotJson, TimedOut, function
from durable_http.testing import after, run

if TYPE_CHECKING:
    from durable_http import Context, Workflow


@function
def three(context: Context) -> Workflow[list[Any]]:
    """Wait three times for a value, ten seconds each."""
    values: list[Any] = []
    for _ in range(3):
        try:
            values.append((yield context.signal("next", timeout=10)))
        except TimedOut as error:
            values.append(str(error))
    return values


LATE = "the signal or the child did not come in time"


def test_values_are_taken_in_order() -> None:
    """The k-th wait gets the k-th value, also if all were sent before."""
    outcome = run(three, signals={"next": [1, False, {"n": None}]})

    assert outcome.result == [1, False, {"n": None}]
    assert outcome.clock == 0


def test_values_come_at_their_times() -> None:
    """A value that is sent later is waited for."""
    outcome = run(three, signals={"next": [after(timedelta(seconds=8), 2), 1, after(12, 3)]})

    assert outcome.result == [1, 2, 3]
    assert outcome.clock == 12


def test_a_wait_that_timed_out_is_passed_over() -> None:
    """A value that comes too late for a wait goes to the next one."""
    outcome = run(three, signals={"next": [after(15, "a"), after(16, "b")]})

    assert outcome.result == [LATE, "a", "b"]
    assert outcome.clock == 16


def test_no_value_comes() -> None:
    """Each wait ends after its timeout."""
    outcome = run(three)

    assert outcome.result == [LATE] * 3
    assert outcome.clock == 30


def test_names_are_apart() -> None:
    """Each name has values of its own, whatever the order in which they come."""

    @function
    def two_names(context: Context) -> Workflow[Any]:
        first = yield context.signal("a", timeout=9)
        return [first, (yield context.signal("b", timeout=9))]

    assert run(two_names, signals={"b": ["B"], "a": [after(1, "A")]}).result == ["A", "B"]


def test_values_are_checked() -> None:
    """What a client could not send is refused."""
    with pytest.raises(TypeError, match="the values of the signal next must be a list"):
        run(three, signals={"next": "yes"})
    with pytest.raises(ValueError, match="cannot name a signal"):
        run(three, signals={"no such": [1]})
    with pytest.raises(NotJson):
        run(three, signals={"next": [{1}]})
