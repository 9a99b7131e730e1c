"""How soon another worker goes on with what a worker held that was killed or stopped."""

from __future__ import annotations

import math
import random
import signal
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Final

from bench.loads.loops import open_loop
from bench.parts.part import Part, begin_request, repeated
from tests.support.faults.starts import Starts
from tests.support.processes import call, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.parts.part import Case, Options, Values
    from bench.stacks.service import Service

RATE: Final = 200
STOCK_RATE: Final = 100
"""Begins a second, each of which ends at once. The stock stack's three workers do less than 200."""

PACE: Final = 0.5
JOBS: Final = 6
"""Checkouts that run when one of three workers is killed, and seconds of each of their steps."""

STEPS: Final = 5
KILLS: Final = {"stock": 1, "ours-leases": 2, "ours": 5}
LONG_KILLS: Final = {"stock": 3, "ours-leases": 15, "ours": 50}
STOPS: Final = 4
SEED: Final = 1


def recovery(service: Service, options: Options) -> Iterator[Case]:
    """Measure the seconds from a signal to a worker to the next step of each of its executions."""
    kills = (LONG_KILLS if options.long else KILLS)[service.name]
    many = partial(ends, service, signal.SIGKILL, kills)
    yield "SIGKILL", spread(many())
    rate = STOCK_RATE if service.name == "stock" else RATE
    yield f"SIGKILL, {rate} begins/s", spread(beside(service, rate, many))
    if service.name == "ours":
        stops = STOPS * options.repeats
        yield "SIGTERM", spread(ends(service, signal.SIGTERM, stops))


def beside(service: Service, rate: float, work: Callable[[], list[float]]) -> list[float]:
    """Do the work while so many executions a second are begun."""
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(work)
        while not result.done():
            requests = repeated(begin_request())
            open_loop(service.addresses, requests, rate=rate, seconds=1, connections=32)
        return result.result()


def ends(service: Service, number: signal.Signals, count: int) -> list[float]:
    """End a worker so often; return the times of all that the workers held."""
    chance, starts = random.Random(SEED), Starts(service.workers)
    return [seconds for _ in range(count) for seconds in end_one(service, starts, number, chance)]


def end_one(
    service: Service, starts: Starts, number: signal.Signals, chance: random.Random
) -> list[float]:
    """End the holder of one of some checkouts at a random moment, and start it again."""
    ids = [service.new_id("checkout") for _ in range(JOBS)]
    for id in ids:
        answer = call(f"{service.url}/begin?id={id}&function=checkout", "POST", PACE)
        if answer.status != 202:
            raise RuntimeError(f"{service.name} answered {answer.status}")
    holders = {id: starts.holder(id) for id in ids}
    time.sleep(chance.uniform(0, 3 * PACE))
    victim = service.workers()[holders[ids[0]]]
    ended_at = time.time()
    victim.signal(number)
    held = [id for id, name in holders.items() if name == holders[ids[0]]]
    seconds = [starts.next_elsewhere(id, holders[id], ended_at) - ended_at for id in held]
    victim.end()
    victim.start()
    for id in ids:
        wait_until(partial(has_last_step, starts, id), seconds=120, what=f"the last step of {id}")
    time.sleep(PACE)
    return seconds


def has_last_step(starts: Starts, id: str) -> bool:
    """Return whether the last step of a checkout has begun."""
    return len({start.step for start in starts.of(id)}) == STEPS


def spread(seconds: list[float]) -> Values:
    """Return the median, the 95th percentile and the maximum."""
    ordered = sorted(seconds)
    return {
        "median_s": statistics.median(ordered),
        "p95_s": ordered[math.ceil(len(ordered) * 0.95) - 1],
        "max_s": ordered[-1],
        "count": len(ordered),
    }


PARTS: Final = (
    Part("recovery", recovery, ("stock", "ours-leases", "ours"), workers=3, once=True, apart=True),
)
