"""Measures executions beside a step that returns 40 MiB: `python -m bench large_results`.

A client begins 100 `foo` a second, however long they take, and measures each until its end is
known. In turn nothing else runs; then one execution after the other whose step builds 40 MiB, which
holds its interpreter for 20 ms or more; then such a step also returns them, which is refused. For
each round it prints p50 and p99 of all three; at the end, the most memory that server and workers
had.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from tests.support.catalog import CATALOG
from tests.support.stack import Modules, Stack, running_stack
from tests.support.usage import peak_mib

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS = 5
ROUND_SECONDS = 10
RATE = 100
"""Executions of `foo` that are begun each second."""

LARGE_KIB = 40 * 1024
PAUSE_SECONDS = 0.5
"""Seconds between the end of a large execution and the begin of the next one."""

MODULES = Modules("gateway", "tests.support.worker.odd", CATALOG)


@dataclass(frozen=True)
class Latencies:
    """Seconds from a begin to its known end: median and 99th percentile."""

    p50: float
    p99: float


async def latencies(stack: Stack) -> Latencies:
    """Begin executions at a fixed rate, and wait for the end of each."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def one() -> float:
            began = time.monotonic()
            headers = {"Prefer": "wait=20"}
            async with session.post(f"{stack.url}/begin?function=foo", headers=headers) as answer:
                if answer.status != 200:
                    raise RuntimeError(f"begin answered {answer.status}: {await answer.text()}")
            return time.monotonic() - began

        tasks = []
        began = time.monotonic()
        for number in range(RATE * ROUND_SECONDS):
            await asyncio.sleep(max(0, began + number / RATE - time.monotonic()))
            tasks.append(asyncio.create_task(one()))
        taken = await asyncio.gather(*tasks)
    return Latencies(statistics.median(taken), statistics.quantiles(taken, n=100)[98])


@contextmanager
def large_values(stack: Stack, name: str, function: str) -> Iterator[list[str]]:
    """Run executions of `builds` or `bulky` until the block ends; yields their ids."""
    over, ids = threading.Event(), list[str]()

    def run() -> None:
        while not over.is_set():
            id = f"{name}-{len(ids)}"
            stack.create(id, function, LARGE_KIB)
            ended = stack.outcome(id, 60)
            if function == "bulky" and ended["error"]["type"] != "ResultTooLarge":
                raise RuntimeError(f"{id} ended with {ended}")
            ids.append(id)
            over.wait(PAUSE_SECONDS)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield ids
    finally:
        over.set()
        thread.join()


def main() -> None:
    """Run all rounds and print a table."""
    with (
        tempfile.TemporaryDirectory() as directory,
        running_stack(Path(directory), workers=2, modules=MODULES) as stack,
    ):
        asyncio.run(latencies(stack))
        print("", "alone", "beside building", "beside returning", "ratio", sep="\t")
        ratios: list[float] = []
        large: list[str] = []
        for number in range(ROUNDS):
            alone = asyncio.run(latencies(stack))
            with large_values(stack, f"built-{number}", "builds"):
                building = asyncio.run(latencies(stack))
            with large_values(stack, f"large-{number}", "bulky") as ids:
                returning = asyncio.run(latencies(stack))
            ratios.append(returning.p99 / building.p99)
            large += ids
            seen = (alone, building, returning)
            print("p50", *(f"{each.p50:.3f} s" for each in seen), sep="\t")
            print("p99", *(f"{each.p99:.3f} s" for each in seen), f"{ratios[-1]:.2f}", sep="\t")
        print(f"median ratio of p99, returning to building: {statistics.median(ratios):.2f}")
        runs = {id: len(stack.starts(id)) for id in large}
        print(f"steps started for {len(runs)} large results: {sum(runs.values())}")
        print(f"peak of the server: {peak_mib(stack.server.pid):.0f} MiB")
        for name, process in stack.workers.items():
            print(f"peak of {name}: {peak_mib(process.pid):.0f} MiB")
