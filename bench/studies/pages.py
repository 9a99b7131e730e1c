"""Measures what open pages cost a gateway: `python -m bench pages`.

A client begins 200 executions a second and asks for the state of each once. In turn no page and ten
pages are open, which read the stream of snapshots. For each round it prints the gateway's share of
a core, the p99 of /wait, and the snapshots and bytes that a page has read.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import uvloop

from bench.studies.waiters import child, quantile
from tests.support.stack import SHIPPED_MODULES, running_stack
from tests.support.usage import cpu_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

    from tests.support.stack import Stack

BEGINS = 200
"""Begins in a second."""

PAGES = 10
SECONDS = 10.0
"""Seconds of a measurement, of which each round has one without pages and one with them."""

ROUNDS = 3
WARM_SECONDS = 2.0
"""Seconds before each measurement, in which pages are opened."""

NICENESS = 5
"""Niceness of the clients: they stand for other machines."""


@dataclass(frozen=True)
class Sample:
    """The gateway's share of a core, the p99 of /wait in ms, and what pages have read."""

    cpu: float
    p99: float
    snapshots: int
    size: int


async def _load(url: str, parent: Connection) -> None:
    """Begin and ask; answer each message with the durations of /wait since the last one."""
    durations: list[float] = []
    run, loop = os.urandom(4).hex(), asyncio.get_running_loop()

    async def one(id: str) -> None:
        async with session.post(f"{url}/begin?id={id}") as begun:
            assert begun.status == 202, begun.status
        began = time.perf_counter()
        async with session.get(f"{url}/wait?id={id}") as state:
            assert state.status == 200, state.status
            await state.read()
        durations.append(time.perf_counter() - began)

    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)) as session,
        asyncio.TaskGroup() as group,
    ):
        start = loop.time()
        for number in itertools.count():
            group.create_task(one(f"{run}-{number}"))
            if parent.poll():
                parent.recv()
                parent.send(durations)
                durations = []
            await asyncio.sleep(max(start + number / BEGINS - loop.time(), 0))


async def _look(url: str, parent: Connection) -> None:
    """Read ten streams; answer each message with the snapshots and bytes since the last one."""
    read = [0, 0]

    async def page() -> None:
        async with session.get(f"{url}/dashboard/live") as response:
            assert response.status == 200, response.status
            async for piece in response.content.iter_any():
                read[0] += piece.count(b"event: state")
                read[1] += len(piece)

    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session,
        asyncio.TaskGroup() as group,
    ):
        for _ in range(PAGES):
            group.create_task(page())
        while True:
            if parent.poll():
                parent.recv()
                parent.send(tuple(read))
                read[:] = 0, 0
            await asyncio.sleep(0.01)


def load(url: str, parent: Connection) -> None:
    """Run the load in a process of its own."""
    os.nice(NICENESS)
    uvloop.run(_load(url, parent))


def look(url: str, parent: Connection) -> None:
    """Run the pages in a process of their own."""
    os.nice(NICENESS)
    uvloop.run(_look(url, parent))


@contextlib.contextmanager
def opened(url: str, *, wanted: bool) -> Iterator[Connection | None]:
    """Keep pages open until the block ends, if they are wanted."""
    if not wanted:
        yield None
        return
    with child(look, url) as pages:
        yield pages


def _asked(other: Connection | None) -> list[float]:
    if other is None:
        return [0, 0]
    other.send(None)
    return list(other.recv())


def measure(stack: Stack, loading: Connection, *, with_pages: bool) -> Sample:
    """Measure for a while, without pages or with them."""
    (gateway,) = stack.gateways.values()
    with opened(stack.url, wanted=with_pages) as pages:
        time.sleep(WARM_SECONDS)
        _asked(pages)
        _asked(loading)
        used, began = cpu_seconds(gateway.pid), time.monotonic()
        time.sleep(SECONDS)
        used, took = cpu_seconds(gateway.pid) - used, time.monotonic() - began
        waits, (snapshots, size) = sorted(_asked(loading)), _asked(pages)
    return Sample(used / took, quantile(waits, 0.99) * 1000, int(snapshots), int(size))


def main(rounds: int = ROUNDS) -> None:
    """Measure all rounds and print a table."""
    with (
        tempfile.TemporaryDirectory() as directory,
        running_stack(Path(directory), workers=2, modules=SHIPPED_MODULES) as stack,
        child(load, stack.url) as loading,
    ):
        print("CPU", "with pages", "p99", "with pages", "snapshots and KB/s of a page", sep="\t")
        added: list[float] = []
        for _ in range(rounds):
            without = measure(stack, loading, with_pages=False)
            beside = measure(stack, loading, with_pages=True)
            added.append(beside.cpu - without.cpu)
            print(
                *(f"{each.cpu:.1%}" for each in (without, beside)),
                *(f"{each.p99:.1f} ms" for each in (without, beside)),
                f"{beside.snapshots / PAGES / SECONDS:.1f}/s",
                f"{beside.size / PAGES / SECONDS / 1000:.0f} KB/s",
                sep="\t",
                flush=True,
            )
        print(f"{PAGES} pages add {statistics.median(added):.1%} of a core (median)")
