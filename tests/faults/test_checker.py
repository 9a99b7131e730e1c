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


def begin(status: int = 202, **more: Any) -> Event:
    """Make an answer of /begin."""
    return {"kind": "begin", "id": "a", "at": 0.0, "status": status, **more}


def started(at: float, worker: str = "w") -> Event:
    """Make a log line of a step's start."""
    return {"kind": "step", "id": "a", "at": at, "step": "pack", "worker": worker}


def fault(at: float, until: float | None = None, **more: str) -> Event:
    """Make a fault, which can take claims of the `worker` that is named."""
    return {"kind": "fault", "at": at, "until": at if until is None else until, "what": "x", **more}


def death(at: float, worker: str = "w") -> Event:
    """Make the death of a worker that an attack has caused."""
    return {"kind": "death", "at": at, "worker": worker}


AGAIN = "a: pack began again though w lived"
AGAIN_BESIDE = "a: pack began again though v lived"
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
        [begin(), started(1.0), death(1.2), started(1.5), read(3.0, steps=[STEP])],
        [begin(), begin(503), begin(), read(1.0)],
        [begin(), started(2.02), read(3.0, steps=[STEP])],
        [begin(own=5), read(14.9)],
        [begin(own=5), fault(1.0), HEALED, read(35.9)],
        [begin(own=5), fault(-9.0, 1.0), fault(30.0, 40.0), HEALED, read(40.0)],
        [begin(), started(1.0), fault(0.5, 2.0, worker="w"), started(3.0, "v"), read(4.0)],
        [begin(), started(1.0), fault(2.0, worker="*"), started(3.0, "v"), read(4.0)],
        [begin(), started(1.0, "v"), fault(0.5, 3.0, worker="w"), started(3.0), read(4.0)],
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
        ([begin(own=5), read(15.1)], "a took 15.1 s; by itself it takes 5 s"),
        ([begin(own=5), death(1.0), read(15.1)], "a took 15.1 s; by itself it takes 5 s"),
        ([begin(own=5), fault(15.1), read(15.2)], "a took 15.2 s; by itself it takes 5 s"),
        ([begin(own=5), fault(-9, -1), read(15.2)], "a took 15.2 s; by itself it takes 5 s"),
        *(
            ([begin(), started(1.0), *lost, started(1.5), read(3.0)], AGAIN)
            for lost in (
                [],
                [fault(1.2)],
                [fault(1.2, worker="v")],
                [death(1.2, "v")],
                [death(0.8)],
                [death(1.6)],
                [{"kind": "attack", "at": 1.2, "what": "x"}],
            )
        ),
        ([begin(), started(1.0, "v"), death(1.2), started(1.5), read(3.0)], AGAIN_BESIDE),
    ],
)
def test_a_history_that_breaks_a_promise(history: list[Event], fault: str) -> None:
    """Each broken promise is found and named."""
    assert check(history).faults == [fault]


def test_what_happened_is_counted() -> None:
    """The verdict counts executions, repeated steps, faults and deaths."""
    lost = [started(1.0), death(1.2), started(1.5)]
    verdict = check([begin(), fault(1.0), fault(1.0), *lost, HEALED, read(12.0)])

    assert (verdict.accepted, verdict.resolved, verdict.repeated) == (1, 1, 1)
    assert verdict.injected == {"x": 2, "death of a worker": 1}
    assert verdict.longest_recovery == 2.0
    assert verdict.faults == []
