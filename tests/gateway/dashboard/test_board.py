"""What each worker runs, as its messages make it: bars, steps, and how they end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from gateway.dashboard.board import (
    GONE_SECONDS,
    KEPT_SECONDS,
    MOST_ENDED,
    MOST_GONE,
    MOST_LOST,
    MOST_SEGMENTS,
)
from gateway.presence.workers import SILENT_SECONDS
from shared.presence import Claimed, Ended, Restated, Running
from tests.support.gateway.presence import speaking

if TYPE_CHECKING:
    from tests.support.dashboard import Scene

INVOKE = "__invoke:job-1"


def running(
    step: str | None,
    counter: int = 1,
    *,
    lost_by: str | None = None,
    is_retried: bool = False,
    function: str = "checkout",
) -> Running:
    """Return what a worker says of job-1."""
    return Running(
        *(INVOKE, counter, counter, lost_by, step),
        is_retried=is_retried,
        reports=False,
        function=function,
    )


def test_steps_are_segments_of_the_claims_bar(scene: Scene) -> None:
    """A step begins and ends where its worker says so, and the bar ends with the claim."""
    worker = speaking(scene.workers, Claimed(INVOKE, 1, "job-1"))
    for at, message in (
        (1_000.1, running("reserve")),
        (1_000.2, running("reserve", is_retried=True)),
        (1_000.3, running(None)),
        (1_000.4, running("charge")),
        (1_000.5, Ended(INVOKE, 1)),
    ):
        scene.now = at
        worker.hear(message)

    assert scene.bar("worker-1") == {
        "id": "job-1",
        "function": "checkout",
        "claimed_at": 1_000_000,
        "ended_at": 1_000_500,
        "attempt": 1,
        "recovered_from": None,
        "state": "ended",
        "segments": [
            {"step": "reserve", "started_at": 1_000_100, "ended_at": 1_000_300, "again": False},
            {"step": "charge", "started_at": 1_000_400, "ended_at": 1_000_500, "again": False},
        ],
    }


def test_a_retried_step_is_shown(scene: Scene) -> None:
    """While a step is tried again its bar says so."""
    worker = speaking(scene.workers, Claimed(INVOKE, 1, "job-1"), running("charge"))
    assert scene.bar("worker-1")["state"] == "running"

    worker.hear(running("charge", is_retried=True))

    assert scene.bar("worker-1")["state"] == "retrying"
    assert len(scene.bar("worker-1")["segments"]) == 1


def test_what_a_dead_worker_held_goes_on_in_another_lane(scene: Scene) -> None:
    """The dead worker's bar is lost at its death; the step that ran is marked where it repeats."""
    first = speaking(scene.workers, Claimed(INVOKE, 1, "job-1"), running("reserve"))
    first.hear(running("charge"))
    scene.now = 1_001.0
    scene.workers.leave(first, "dead", time.monotonic() - 0.02)
    second = speaking(scene.workers, Claimed(INVOKE, 2, "job-1"), name="worker-2")
    for step in ("charge", None, "charge"):
        second.hear(running(step, 2, lost_by="worker-1"))

    lost, goes_on = scene.bar("worker-1"), scene.bar("worker-2")
    assert scene.worker("worker-1")["state"] == "dead"
    assert lost["state"] == "lost"
    assert 1_000_900 < lost["ended_at"] <= 1_000_980
    assert [each["ended_at"] for each in lost["segments"]] == [1_000_000, lost["ended_at"]]
    assert (goes_on["state"], goes_on["recovered_from"]) == ("running", "worker-1")
    assert goes_on["attempt"] == 2
    assert [each["again"] for each in goes_on["segments"]] == [True, False]


def test_another_gateway_is_quicker(scene: Scene) -> None:
    """A claim that is told before this gateway has seen the death goes on with what was lost."""
    first = speaking(scene.workers, Claimed(INVOKE, 1, "job-1"), running("charge"))
    first.connections.clear()
    second = speaking(scene.workers, Claimed(INVOKE, 2, "job-1"), name="worker-2")
    second.hear(running("charge", 2, lost_by="worker-1"))

    scene.workers.leave(first, "dead", time.monotonic())

    assert scene.bar("worker-1")["state"] == "lost"
    assert scene.bar("worker-2")["recovered_from"] == "worker-1"
    assert [each["again"] for each in scene.bar("worker-2")["segments"]] == [True]
    assert scene.seen["recoveries"]["count"] == 1


def test_a_frozen_worker_has_lost_what_another_one_goes_on_with(scene: Scene) -> None:
    """Where the leases of a worker that keeps its connection end, its bar is lost."""
    first = speaking(scene.workers, Claimed(INVOKE, 1, "job-1"), running("charge"))
    first.heard_at -= 2 * SILENT_SECONDS
    second = speaking(scene.workers, Claimed(INVOKE, 2, "job-1"), name="worker-2")
    assert scene.bar("worker-1")["state"] == "running"

    second.hear(running("charge", 2, lost_by="worker-1"))

    assert scene.worker("worker-1")["state"] == "silent"
    assert scene.bar("worker-1")["state"] == "lost"
    assert scene.bar("worker-2")["recovered_from"] == "worker-1"
    first.hear(Ended(INVOKE, 1))
    assert scene.bar("worker-1")["state"] == "lost"


def test_a_stopped_worker_hands_back(scene: Scene) -> None:
    """A worker that says goodbye has lost nothing."""
    worker = speaking(scene.workers, Claimed(INVOKE, 1, "job-1"), running("charge"))

    scene.workers.leave(worker)

    assert scene.worker("worker-1")["state"] == "stopped"
    assert scene.bar("worker-1")["state"] == "handed back"
    assert scene.seen["recoveries"] == {"count": 0, "last": None}


def test_what_is_told_anew_is_no_news(scene: Scene) -> None:
    """A worker that connects again goes on with its bars; what it does not tell again has ended."""
    worker = speaking(
        scene.workers, Claimed(INVOKE, 1, "job-1"), running("charge"), Claimed("t", 1, "job-2")
    )
    scene.now = 1_005.0
    for message in (Restated(), Claimed(INVOKE, 1, "job-1"), running("charge")):
        worker.hear(message)
    worker.hear(Restated(complete=True))

    first, second = scene.worker("worker-1")["bars"]
    assert (first["id"], first["state"], first["claimed_at"]) == ("job-1", "running", 1_000_000)
    assert len(first["segments"]) == 1
    assert (second["id"], second["state"]) == ("job-2", "ended")


def test_bars_and_workers_go_after_a_while(scene: Scene) -> None:
    """What has ended is shown for half a minute, a worker for a whole one."""
    worker = speaking(scene.workers, Claimed(INVOKE, 1, "job-1"))
    worker.hear(Ended(INVOKE, 1))
    scene.workers.leave(worker, "dead")
    scene.now += KEPT_SECONDS - 1
    assert scene.bar("worker-1")["state"] == "ended"

    scene.now += 2
    assert scene.worker("worker-1")["bars"] == []
    scene.now += GONE_SECONDS - KEPT_SECONDS

    assert scene.seen["workers"] == []


def test_a_worker_that_was_taken_for_dead_has_one_lane(scene: Scene) -> None:
    """Who comes back is not shown twice; its lost bar stays."""
    worker = speaking(scene.workers, Claimed(INVOKE, 1, "job-1"))
    scene.workers.leave(worker, "dead")

    speaking(scene.workers)

    assert scene.worker("worker-1")["state"] == "alive"
    assert scene.bar("worker-1")["state"] == "lost"


def test_memory_is_bounded(scene: Scene) -> None:
    """However much happens, only so many bars, segments and workers are kept."""
    worker = speaking(scene.workers, Claimed(INVOKE, 1, "job-1"))
    for number in range(MOST_SEGMENTS + 10):
        worker.hear(running(f"step-{number}"))
    for number in range(MOST_ENDED + 10):
        worker.hear(Claimed(f"t-{number}", 1, f"quick-{number}"))
        worker.hear(Ended(f"t-{number}", 1))
    for number in range(MOST_LOST + 10):
        dying = speaking(scene.workers, Claimed("t", 1, f"lost-{number}"), name=f"dies-{number}")
        scene.workers.leave(dying, "dead")

    assert len(list(scene.board.past_bars())) == MOST_ENDED + MOST_LOST
    assert len(scene.board.lanes()) == MOST_GONE + 1
    (held,) = worker.held()
    segments = scene.board.lanes()[-1].bars[held].segments
    assert [segments[0].step, segments[-1].step] == [f"step-{10}", f"step-{MOST_SEGMENTS + 9}"]
