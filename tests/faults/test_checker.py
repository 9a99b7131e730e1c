"""The checker of long runs, on histories made by hand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.faults.checker import Event, check

STEP = {"name": "pack", "status": "resolved", "ended_at": 2.0}


def read(at: float, *, done: bool = True, **body: Any) -> Event:
    """Make an answer of /wait."""
    found: dict[str, Any] = {"done": done, "status": "resolved" if done else "pending", **body}
    if done:
        found = {"ended_at": at, "result": 1, **found}
    return {"kind": "read", "id": "a", "at": at, "body": found}


def begin(status: int = 202) -> Event:
    """Make an answer of /begin."""
    return {"kind": "begin", "id": "a", "at": 0.0, "status": status}


def started(at: float) -> Event:
    """Make a log line of a step's start."""
    return {"kind": "step", "id": "a", "at": at, "step": "pack", "worker": "w"}


HEALED: Event = {"kind": "healed", "at": 10.0}


@pytest.mark.parametrize(
    "history",
    [
        [],
        [begin(0)],
        [begin(503)],
        [begin(), read(1.0)],
        [begin(), read(1.0, done=False), read(2.0), read(3.0)],
        [begin(), HEALED, read(39.0)],
        [begin(), started(1.0), started(1.5), read(3.0, steps=[STEP])],
        [begin(), begin(503), begin(), read(1.0)],
        [begin(), started(2.02), read(3.0, steps=[STEP])],
    ],
)
def test_a_history_that_keeps_every_promise(history: list[Event]) -> None:
    """Refusals, repeated interrupted steps and late ends within the limit are no faults."""
    assert check(history).faults == []


@pytest.mark.parametrize(
    ("history", "fault"),
    [
        ([begin()], "a was accepted and never ended"),
        ([begin(), read(1.0, done=False)], "a was accepted and never ended"),
        ([begin(), HEALED, read(41.0)], "a ended 31.0 s after the last fault"),
        ([begin(), read(1.0), read(2.0, result=2)], "a has more than one result"),
        ([begin(), read(1.0), read(2.0, done=False)], "a went back to pending"),
        ([begin(), read(1.0, status="rejected", result=None)], "a ended rejected: (None, None)"),
        (
            [begin(), read(3.0, steps=[STEP]), started(2.5), started(1.0)],
            "a: pack began again after it had finished",
        ),
    ],
)
def test_a_history_that_breaks_a_promise(history: list[Event], fault: str) -> None:
    """Each broken promise is found and named."""
    assert check(history).faults == [fault]


def test_what_happened_is_counted() -> None:
    """The verdict counts executions, repeated steps and faults."""
    fault: Event = {"kind": "fault", "at": 1.0, "what": "kill"}
    verdict = check([begin(), fault, fault, started(1.0), started(1.5), HEALED, read(12.0)])

    assert (verdict.accepted, verdict.resolved, verdict.repeated) == (1, 1, 1)
    assert verdict.injected == {"kill": 2}
    assert verdict.longest_recovery == 2.0
