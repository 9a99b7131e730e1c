"""A snapshot is bounded, fair, and always JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest

from gateway.dashboard.bars import MOST_BARS, MOST_SEGMENTS
from gateway.dashboard.snapshot import MOST_FUNCTIONS, MOST_WORKERS
from shared.presence import Claimed, Ended, Hello, Running
from tests.support.gateway.presence import speaking

if TYPE_CHECKING:
    from tests.support.dashboard import Scene

BYTES = 400_000
"""Bytes of a snapshot of a large service."""

HOSTILE = ("<img src=x onerror=alert(1)>", "\u202egnp.exe", "a\0b\r\n", "\ud800", "x" * 1_000_000)


def test_a_large_service_fits(scene: Scene) -> None:
    """Of 2,000 executions on 20 workers each worker shows as many as another."""
    for number in range(20):
        worker = speaking(scene.workers, name=f"worker-{number:02}")
        for each in range(100):
            task = f"__invoke:job-{number}-{each}"
            worker.hear(Claimed(task, 1, f"job-{number}-{each}"))
            for step in range(10):
                worker.hear(
                    Running(task, 1, 1, None, f"step-{step}", is_retried=False, reports=False)
                )

    seen = scene.seen
    assert len(scene.raw) < BYTES
    assert [len(lane["bars"]) for lane in seen["workers"]] == [MOST_BARS // 20] * 20
    assert seen["bars_left_out"] == 2_000 - MOST_BARS
    shown = [len(bar["segments"]) for lane in seen["workers"] for bar in lane["bars"]]
    assert sum(shown) == MOST_SEGMENTS
    assert seen["workers"][0]["bars"][0]["id"] == "job-0-99"
    assert seen["workers"][0]["bars"][0]["segments"][-1]["step"] == "step-9"


def test_what_one_worker_does_not_need_others_have(scene: Scene) -> None:
    """Bars are shared out to the last one."""
    for name, count in (("a", 11), ("b", 300), ("c", 300)):
        claims = (Claimed(f"{name}-{number}", 1, "job") for number in range(count))
        speaking(scene.workers, *claims, name=name)

    assert [len(lane["bars"]) for lane in scene.seen["workers"]] == [11, 195, 194]
    assert scene.seen["bars_left_out"] == 211


def test_running_bars_come_before_those_that_have_ended(scene: Scene) -> None:
    """Where not all bars fit, those are left out that have ended longest ago."""
    worker = speaking(scene.workers, Claimed("running", 1, "running"))
    for number in range(MOST_BARS + 5):
        scene.now += 0.001
        worker.hear(Claimed(f"t-{number}", 1, f"job-{number}"))
        worker.hear(Ended(f"t-{number}", 1))

    bars = scene.worker("worker-1")["bars"]
    assert [bars[0]["id"], bars[1]["id"]] == ["running", f"job-{MOST_BARS + 4}"]
    assert (len(bars), scene.seen["bars_left_out"]) == (MOST_BARS, 6)


def test_a_bar_that_is_over_gives_way_to_those_that_run(scene: Scene) -> None:
    """It ends as it was, and shows its newest segments only once there are many bars."""
    worker = speaking(scene.workers, Claimed("over", 1, "over"))
    for number in range(20):
        worker.hear(Running("over", 1, 1, None, f"step-{number}", is_retried=False, reports=False))
    running = scene.bar("worker-1")
    scene.now += 1
    worker.hear(Ended("over", 1))
    ended = scene.bar("worker-1")
    for number in range(MOST_BARS - 1):
        worker.hear(Claimed(f"t-{number}", 1, f"job-{number}"))
    *_, shown = scene.worker("worker-1")["bars"]

    assert (running["state"], running["ended_at"]) == ("running", None)
    assert (ended["state"], ended["ended_at"]) == ("ended", 1_001_000)
    assert len(ended["segments"]) == 20
    assert shown == {**ended, "segments": ended["segments"][-MOST_SEGMENTS // MOST_BARS :]}


def test_hostile_names_are_shown_as_text(scene: Scene) -> None:
    """Whatever a worker calls things, a snapshot is JSON that every parser takes, and small."""
    for number, name in enumerate(HOSTILE):
        serves = {f"{name}-{version}": [1] for version in range(1_000)}
        worker = scene.workers.enter(Hello("", name, f"pid-{number}", name, 1, 0, serves))
        worker.hear(Claimed(name, 1, name))
        worker.hear(Running(name, 1, 1, name, name, is_retried=False, reports=False, function=name))
        scene.workers.leave(worker, "dead")
        again = speaking(scene.workers, Claimed(name, 2, name), name=f"worker-{number}")
        again.hear(Running(name, 2, 1, name, name, is_retried=False, reports=False))

    seen = orjson.loads(scene.raw)
    assert len(scene.raw) < BYTES
    assert seen["recoveries"]["count"] == len(HOSTILE)
    names = {lane["name"] for lane in seen["workers"]}
    assert names >= {HOSTILE[0], HOSTILE[1], HOSTILE[2], "?", "x" * 200}
    assert {lane["functions_left_out"] for lane in seen["workers"]} == {0, 1_000 - MOST_FUNCTIONS}


def test_many_workers_are_counted(scene: Scene) -> None:
    """Of very many workers some are shown, and how many others there are."""
    for number in range(MOST_WORKERS + 7):
        speaking(scene.workers, Claimed("t", 1, f"job-{number}"), name=f"worker-{number:04}")

    seen = scene.seen
    assert (len(seen["workers"]), seen["workers_left_out"]) == (MOST_WORKERS, 7)
    assert seen["bars_left_out"] == 7
    assert len(scene.raw) < BYTES


@pytest.mark.parametrize("is_over", [False, True])
def test_names_of_functions_come_from_elsewhere_too(scene: Scene, *, is_over: bool) -> None:
    """What a worker does not tell is taken from what was read of the execution, or is null."""
    worker = speaking(scene.workers, Claimed("t", 1, "job-1"))
    if is_over:
        worker.hear(Ended("t", 1))
    assert scene.bar("worker-1")["function"] is None

    scene.names["job-1"] = "checkout"

    assert scene.bar("worker-1")["function"] == "checkout"
