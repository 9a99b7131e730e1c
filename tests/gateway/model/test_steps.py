"""Steps of an execution, from the promises of the server."""

from __future__ import annotations

import pytest

from gateway.model.steps import StepState, steps_of
from shared.resonate import tags as tag
from tests.support.gateway.promises import CHILD, part, promise, thing


def test_steps_are_listed_oldest_first() -> None:
    """Steps, which the server lists newest first, are shown in the order they began."""
    created = [
        part("charge", "w1", 20),
        part("reserve", "w1", 10, completed=15),
    ]

    assert steps_of(created) == [
        StepState("reserve", "resolved", "w1", 10, 15),
        StepState("charge", "pending", "w1", 20, None),
    ]


def test_what_is_no_step_is_not_listed() -> None:
    """Other things that an execution created, such as timers, are not among its steps."""
    assert steps_of([part(None, "w1", 20), part(None, "w2", 10)]) == []


@pytest.mark.parametrize(
    ("completed", "worker"), [(None, "w2"), (40, "w2"), (30, "w2"), (29, "w1")]
)
def test_a_step_is_of_the_worker_that_ended_it(completed: int | None, worker: str) -> None:
    """A step shows the worker that ended it: the new one if it was taken over before its end."""
    taken = part(None, "w2", 30, recovered_from="w1")
    step = part("reserve", "w1", 10, completed=completed)

    assert [found.worker for found in steps_of([taken, step])] == [worker]


def test_the_last_recovery_before_the_end_counts() -> None:
    """Of several recoveries after a step's start, the last before its end names its worker."""
    created = [
        part(None, "w4", 60, recovered_from="w3"),
        part(None, "w3", 40, recovered_from="w2"),
        part(None, "w2", 30, recovered_from="w1"),
        part("reserve", "w1", 10, completed=50),
    ]

    assert [found.worker for found in steps_of(created)] == ["w3"]


def test_a_recovery_before_a_step_is_not_its_own() -> None:
    """A step that began after a recovery shows the worker that began it."""
    created = [
        part("charge", "w3", 40, recovered_from="w1"),
        part(None, "w2", 30, recovered_from="w1"),
    ]

    assert [found.worker for found in steps_of(created)] == ["w3"]


def test_a_step_without_a_worker_is_listed_all_the_same() -> None:
    """A step whose tags are incomplete is still listed."""
    assert steps_of([promise(tags={tag.STEP: "reserve"})]) == [
        StepState("reserve", "pending", "", 1_000, None)
    ]


def test_a_child_is_a_step_without_a_worker() -> None:
    """A child is listed as a step with its function's name, without a worker."""
    assert steps_of([thing("PENDING", 5, **CHILD)]) == [StepState("part", "pending", None, 5, None)]
