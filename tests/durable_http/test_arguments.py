"""What a durable function may give its context."""

from __future__ import annotations

import math
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from durable_http import Context, Step
from durable_http.arguments import (
    MOST_SECONDS,
    checked_change,
    checked_limit,
    checked_name,
    checked_report,
    checked_seconds,
    checked_signal,
)


def work(step: Step) -> str:
    """Return a name."""
    return step.name


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (0, 0.0),
        (1.5, 1.5),
        (Fraction(1, 2), 0.5),
        (timedelta(minutes=2, milliseconds=5), 120.005),
        (timedelta(0), 0.0),
        (MOST_SECONDS, MOST_SECONDS),
    ],
)
def test_a_time_is_a_number_of_seconds_or_a_timedelta(value: Any, seconds: float) -> None:
    """Each time is stored as seconds."""
    assert checked_seconds(value, "it") == checked_limit(value, "it") == seconds
    assert isinstance(checked_seconds(value, "it"), float)


@pytest.mark.parametrize("value", ["1", b"2", True, None, [], Decimal(1)])
def test_what_is_no_number_is_no_time(value: Any) -> None:
    """The error names the argument and the type that it got."""
    with pytest.raises(TypeError) as caught:
        checked_seconds(value, "a sleep")

    name = type(value).__name__
    assert str(caught.value) == f"a sleep must be a number of seconds, not {name}"


@pytest.mark.parametrize(
    "value",
    [-1, -1e-9, math.nan, math.inf, MOST_SECONDS + 1, 10**400, timedelta(-1), timedelta.max],
)
def test_a_time_that_is_a_mistake_is_refused(value: Any) -> None:
    """No clock reaches such a time."""
    with pytest.raises(ValueError, match=r"^a sleep must be 0 to 3153600000 seconds, not "):
        checked_seconds(value, "a sleep")


def test_a_limit_may_be_none() -> None:
    """None is no limit, and nothing else is."""
    assert checked_limit(None, "it") is None
    with pytest.raises(ValueError, match="it must be"):
        checked_limit(math.inf, "it")


@pytest.mark.parametrize("name", ["a", "é 1", "x" * 200, "a.b/c:d"])
def test_steps_and_changes_have_names_that_can_be_shown(name: str) -> None:
    """Any printable text names a step or a change."""
    assert checked_name(name) == checked_change(name) == name


@pytest.mark.parametrize("name", ["", "x" * 201, "a\n", "\0", "\ud800"])
def test_a_name_that_cannot_be_shown_is_refused(name: str) -> None:
    """An empty, long or unprintable name is refused for both."""
    with pytest.raises(ValueError, match="the name of a step has 1 to 200 printable characters"):
        checked_name(name)
    with pytest.raises(ValueError, match="the name of a change has 1 to 200 printable characters"):
        checked_change(name)


def test_a_name_is_text() -> None:
    """A name of another type is refused."""
    with pytest.raises(TypeError, match="the name of a step must be a string, not int"):
        checked_name(5)
    with pytest.raises(ValueError, match="the name of a change"):
        checked_change(5)


@pytest.mark.parametrize("name", ["a", "A-b_9", "x" * 64])
def test_a_signal_has_a_name_that_clients_can_send(name: str) -> None:
    """A signal's name has 1 to 64 letters, digits, `-` and `_`."""
    assert checked_signal(name) == name


@pytest.mark.parametrize("name", ["", "a b", "a.b", "é", "x" * 65, "a\n", 5, None])
def test_any_other_signal_is_refused(name: Any) -> None:
    """The error shows the name and what is allowed."""
    with pytest.raises(ValueError, match="cannot name a signal") as caught:
        checked_signal(name)

    assert str(caught.value) == f"{name!r} cannot name a signal; use [A-Za-z0-9_-]{{1,64}}"


@pytest.mark.parametrize(("value", "number"), [(0, 0), (-5, -5), (2.9, 2), (2**53, 2**53)])
def test_a_report_has_whole_numbers(value: Any, number: int) -> None:
    """A report is stored in whole numbers that every reader of JSON gets unchanged."""
    assert checked_report(value, "done") == number


@pytest.mark.parametrize("value", [math.nan, math.inf, 2**53 + 1, -(2**53) - 1, 10**400])
def test_a_report_of_nonsense_is_refused(value: Any) -> None:
    """A number that clients could not read is refused."""
    with pytest.raises(ValueError, match=r"^done must be at most 9007199254740992, not "):
        checked_report(value, "done")


def test_a_report_is_no_text() -> None:
    """A report of another type is refused."""
    with pytest.raises(TypeError, match="total must be a number, not str"):
        checked_report("5", "total")


def test_the_context_checks_all_that_it_gets() -> None:
    """What could not be stored is refused where the function asks for it."""
    context = Context("job")
    for ask, fault in (
        (lambda: context.step(work, name=""), "the name of a step"),
        (lambda: context.begin_step(work, timeout=-1), "a step's timeout"),
        (lambda: context.sleep(-1), "a sleep"),
        (lambda: context.signal("a b", timeout=1), "cannot name a signal"),
        (lambda: context.signal("a", timeout=math.inf), "a signal's timeout"),
        (lambda: context.begin("order", timeout=-1), "a child's timeout"),
        (lambda: context.call("order", timeout=-1), "a child's timeout"),
        (lambda: context.progress(-(2**60), 1), "done"),
        (lambda: context.progress(0, 2**60), "total"),
        (lambda: context.changed(""), "the name of a change"),
    ):
        with pytest.raises(ValueError, match=fault):
            ask()
