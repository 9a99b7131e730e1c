"""Measures the death of a worker with 1,000 claims: `python -m bench many_claims`.

1. What the slots of one worker cost: threads, memory and processor time, at rest and with a step
   running in each.
2. The worker is killed while another one of its size stands by and executions are begun. How long
   until its claims are dropped, and until the last execution has begun a step elsewhere; how the
   gateway answers meanwhile; and whether all executions end, each once.
"""

from __future__ import annotations

import contextlib
import itertools
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.studies.kills import held
from tests.support.faults.presence.seen import noticed, wait_until_seen
from tests.support.faults.starts import Starts
from tests.support.processes import wait_until
from tests.support.stack import Stack, running_stack
from tests.support.usage import cpu_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.support.processes import Process

SLOTS: Final = 1024
CLAIMS: Final = 1000
PACE: Final = 20.0
"""Seconds of each of the five steps, for which a thread sleeps."""

RATE: Final = 50
"""Begins a second beside the claims."""

THREADS: Final = 8
"""Threads that begin executions, so that a slow answer does not delay the next begin."""

SETTLED_SECONDS: Final = 5.0
"""Seconds for which processor time is measured."""


@dataclass(frozen=True)
class Asked:
    """One begin beside the claims; times are seconds, `at` since the epoch."""

    id: str
    at: float
    seconds: float
    status: int


@contextlib.contextmanager
def begins(stack: Stack) -> Iterator[list[Asked]]:
    """Begin executions at a constant rate, by several threads, until the block ends."""
    asked: list[Asked] = []
    numbers, over, began = itertools.count(), threading.Event(), time.monotonic()

    def run() -> None:
        while True:
            number = next(numbers)
            if over.wait(max(0.0, began + number / RATE - time.monotonic())):
                return
            at, start = time.time(), time.monotonic()
            try:
                status = stack.begin(f"beside-{number}").status
            except OSError:
                status = 0
            asked.append(Asked(f"beside-{number}", at, time.monotonic() - start, status))

    threads = [threading.Thread(target=run) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    try:
        yield asked
    finally:
        over.set()
        for thread in threads:
            thread.join()


def print_worker(what: str, worker: Process) -> None:
    """Print what a worker has, and what it takes of a core."""
    before = cpu_seconds(worker.pid)
    time.sleep(SETTLED_SECONDS)
    share = (cpu_seconds(worker.pid) - before) / SETTLED_SECONDS
    print(what, held(worker), f"{share:.0%}", sep="\t", flush=True)


def print_answers(what: str, asked: Sequence[Asked]) -> None:
    """Print how begins were answered."""
    times = sorted(each.seconds for each in asked)
    if times:
        at = [times[int(share * (len(times) - 1))] for share in (0.5, 0.99, 1)]
        shown = "\t".join(f"{seconds * 1000:.0f} ms" for seconds in at)
        print(what, len(times), shown, dict(Counter(each.status for each in asked)), sep="\t")


def start(stack: Stack, name: str) -> Process:
    """Start a worker with all these slots, and say how long that took."""
    began = time.monotonic()
    worker = stack.add_worker(name, WORKER_CONCURRENCY=str(SLOTS))
    print(f"{name} started", f"{time.monotonic() - began:.1f} s", sep="\t", flush=True)
    return worker


def fill(stack: Stack, starts: Starts) -> list[str]:
    """Begin what the worker is to hold, and return once all of it runs."""
    ids, began = [f"held-{number}" for number in range(CLAIMS)], time.monotonic()
    for id in ids:
        stack.begin(id, "checkout", {"pace": PACE})
    wait_until(lambda: all(starts.of(id) for id in ids), seconds=120, what="all first steps")
    print("all begun and running", f"{time.monotonic() - began:.1f} s", sep="\t", flush=True)
    return ids


def kill(stack: Stack, victim: Process, starts: Starts, ids: Sequence[str]) -> None:
    """Kill the worker that holds these, and print how its executions and begins fare."""
    with begins(stack) as asked:
        wait_until(lambda: len(asked) > 3 * RATE, what="the begins before")
        killed_at = time.time()
        victim.kill()
        processes = {
            "server": stack.server.pid,
            "gateway": stack.gateways["gateway"].pid,
            "b": stack.workers["b"].pid,
        }
        before = {name: cpu_seconds(pid) for name, pid in processes.items()}
        moved = sorted(starts.next_elsewhere(id, "a", killed_at) - killed_at for id in ids)
        wait_until(lambda: noticed(stack, "worker died"), what="the notice")
        taken = {name: cpu_seconds(pid) - before[name] for name, pid in processes.items()}
        time.sleep(1)
    (death,) = noticed(stack, "worker died")
    dropped = datetime.fromisoformat(death["timestamp"]).timestamp() - killed_at
    print("claims dropped", death["released"], f"{dropped:.2f} s", sep="\t")
    print("elsewhere", *(f"{moved[n]:.2f} s" for n in (0, len(moved) // 2, -1)), sep="\t")
    print("processor", *(f"{name} {seconds:.1f} s" for name, seconds in taken.items()), sep="\t")
    end = killed_at + moved[-1]
    print("begins", "count", "median", "p99", "longest", "statuses", sep="\t")
    print_answers("before", [each for each in asked if each.at < killed_at])
    print_answers("meanwhile", [each for each in asked if killed_at <= each.at < end])
    print_answers("after", [each for each in asked if each.at >= end])
    begun = [each.id for each in asked if each.status == 202]
    states = Counter(stack.outcome(id, 300)["status"] for id in (*ids, *begun))
    repeated = Counter(len(starts.of(id)) - 5 for id in ids)
    print("executions", dict(states), "steps repeated", dict(repeated), sep="\t")


def main() -> None:
    """Measure both, and print them."""
    with (
        tempfile.TemporaryDirectory() as directory,
        running_stack(Path(directory), workers=0, presence=True) as stack,
    ):
        starts = Starts(lambda: stack.workers)
        victim = start(stack, "a")
        print("", "memory", "threads", "files", "sockets", "of a core", sep="\t")
        print_worker("at rest", victim)
        ids = fill(stack, starts)
        print_worker("all slots at work", victim)
        start(stack, "b")
        wait_until_seen(stack)
        kill(stack, victim, starts, ids)
