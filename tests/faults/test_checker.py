"""The judges of long runs, on histories made by hand."""

from __future__ import annotations

import os
import signal
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.support.faults.checker import Event, check
from tests.support.faults.hostile_verdict import ENOUGH, MIB, Lost, Seen
from tests.support.faults.losses import losses
from tests.support.faults.supervisor import Ended
from tests.support.faults.usage import Usage, limits, resident
from tests.support.worker.misbehaving import POISONED

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.stack import Stack

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
ABUSE: Event = {"kind": "attack", "at": 1.2, "what": "x"}
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
        ([begin(own=5), ABUSE, read(15.1)], "a took 15.1 s; by itself it takes 5 s"),
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
                [ABUSE],
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


def seen(**changed: Any) -> Seen:
    """Make what was seen of a hostile run in which all went well, but for what is changed."""
    run = Seen(
        bouts={"poison": 1},
        unanswered=Counter(),
        begun=ENOUGH,
        before=[5.0] * 20,
        during=[6.0] * (ENOUGH - 2) + [10.0, 14.0],
        limits={"resonate": 10 * MIB, "w": 5 * MIB},
        peaks={"resonate": 10 * MIB, "w": MIB},
        pids={"resonate": (7, 7)},
        lost=[Lost("w", 86, "poison-1")],
    )
    return replace(run, **changed)


def test_a_hostile_run_that_went_well() -> None:
    """One in a hundred may be slow, a poison may end a worker, and all memory may be used."""
    assert list(seen().faults()) == []
    assert "w                       1 of    5 MiB" in seen().summary()
    assert "n 100  p50 6.00 s  p99 10.00 s  most 14.00 s" in seen().summary()


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"broken": ["lists: answered 500"]}, "lists: answered 500"),
        ({"begun": ENOUGH + 1}, "1 of 101 healthy executions never ended"),
        (
            {"during": [6.0] * (ENOUGH - 2) + [10.1, 14.0]},
            "the healthy p99 is 10.1 s beside attacks, 5.0 s without",
        ),
        ({"pids": {"resonate": (7, 8)}}, "resonate has not lived through the attacks"),
        ({"lost": [Lost("w", 1, None)]}, "w ended with 1 without a poison in it"),
        ({"lost": [Lost("w", 0, None, "memory")]}, "w ended itself: memory"),
        ({"lost": [Lost("w", 86, "poison-1", "memory")]}, "w ended itself: memory"),
        (
            {"peaks": {"w": 6 * MIB}},
            "w had 6 of the 5 MiB that compose.yaml gives it",
        ),
    ],
)
def test_a_hostile_run_that_did_not(changed: dict[str, Any], fault: str) -> None:
    """Each promise that was not kept is a sentence."""
    assert list(seen(**changed).faults()) == [fault]


STEP_OF_POISON = '{"event": "step started", "execution": "poison-1-0", "step": "kills"}'
STEP_OF_ANOTHER = '{"event": "step started", "execution": "lists-1-0", "step": "poison-"}'
REPLACED = '{"event": "worker to be replaced", "reason": "memory: 600 MiB"}'


@pytest.mark.parametrize(
    ("lines", "code", "lost"),
    [
        ([STEP_OF_POISON, STEP_OF_ANOTHER], POISONED, Lost("w", POISONED, "poison-1-0")),
        ([STEP_OF_POISON], -signal.SIGSEGV, Lost("w", -signal.SIGSEGV, "poison-1-0")),
        ([STEP_OF_POISON], 1, Lost("w", 1, None)),
        ([STEP_OF_ANOTHER, "no json", "[]"], POISONED, Lost("w", POISONED, None)),
        ([REPLACED], 0, Lost("w", 0, None, "memory: 600 MiB")),
    ],
)
def test_the_log_of_a_worker_says_why_it_ended(
    tmp_path: Path, lines: list[str], code: int, lost: Lost
) -> None:
    """A poison counts only in the process in which it ran, and with an exit code of a poison."""
    log = tmp_path / "w.log"
    log.write_text("\n".join((*lines, "")))
    size = log.stat().st_size
    stack = cast("Stack", SimpleNamespace(workers={"w": SimpleNamespace(log=log)}))

    found = losses(stack, [Ended("w", code, 1.0, size), Ended("w", POISONED, 2.0, size)])

    assert found == [lost, Lost("w", POISONED, None)]


def test_few_executions_have_no_percentile() -> None:
    """Of a short run the slowest execution is not judged as the 99th percentile."""
    assert list(seen(begun=7, during=[6.0] * 6 + [14.0]).faults()) == []


def test_the_limits_of_memory_are_those_of_the_containers() -> None:
    """The limits come from compose.yaml, for the server, the gateway and each worker."""
    assert {"resonate", "gateway", "worker-1", "worker"} <= limits().keys()
    assert all(MIB < limit < 64 * 1024 * MIB for limit in limits().values())


def test_a_process_that_is_replaced_is_one_part() -> None:
    """The most memory of all its processes counts, and the processor time of all of them."""
    usage = Usage()

    usage.sample(os.getpid())
    first = usage.cpu
    usage.sample(0)
    usage.sample(os.getpid())

    assert usage.peak >= resident(os.getpid()) > MIB
    assert usage.cpu >= 2 * first > 0
