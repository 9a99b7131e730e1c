"""Measures the service beside a backlog: `python -m bench.backlog [COUNT [SCENE …]]`.

The scenes, all of them by default:

    idle      a backlog of COUNT executions and no worker: the server's share of a core, minute by
              minute, and its memory
    begins    begins per second through a gateway beside the backlog, and beside none, in turn
    start     a worker starts beside the backlog: seconds to its first step and until all its slots
              are busy, the share of a core of the server then, and the worker's memory
    comeback  10 executions wait for ten minutes without a worker, then one starts
    killed    a worker with 1,000 offers in its inbox is killed: seconds until another has begun all
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import statistics
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from shared.resonate.codec import encode_call
from tests.support.processes import wait_until
from tests.support.stack import running_stack

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.support.processes import Process
    from tests.support.stack import Stack

CLIENTS: Final = 32
ROUNDS: Final = 5
ROUND_SECONDS: Final = 4.0
SETTLE_MINUTES: Final = 4
SLOTS: Final = 16
SLOW_SECONDS: Final = 20.0
OFFERS: Final = 1000
COMEBACK_SECONDS: Final = 600.0
TICKS: Final = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_mib(pid: int) -> float:
    """Return a process's resident memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def share_of_core(pid: int, seconds: float) -> float:
    """Return the share of a core that a process takes during the next seconds."""
    before, began = cpu_seconds(pid), time.monotonic()
    time.sleep(seconds)
    return (cpu_seconds(pid) - before) / (time.monotonic() - began)


@contextlib.contextmanager
def stack_of() -> Iterator[Stack]:
    """Yield a gateway and a server without a worker."""
    with (
        tempfile.TemporaryDirectory() as directory,
        running_stack(Path(directory), workers=0) as stack,
    ):
        yield stack


def fill(stack: Stack, count: int, prefix: str, function: str, value: str) -> float:
    """Begin executions at the server itself; return how many it took per second."""
    url = f"http://127.0.0.1:{stack.server.store_port}/promises"
    ends = int((time.time() + 7 * 86400) * 1000)

    def body(number: int) -> dict[str, Any]:
        id = f"{prefix}{number}"
        data = base64.b64encode(encode_call(function, 1, value).encode()).decode()
        tags = {
            "resonate:invoke": "poll://any@worker",
            "resonate:scope": "global",
            "resonate:root": id,
            "resonate:parent": id,
            "function": function,
            "version": "1",
        }
        return {"id": id, "timeout": ends, "param": {"data": data}, "tags": tags}

    async def client(session: aiohttp.ClientSession, numbers: Iterator[int]) -> None:
        for number in numbers:
            async with session.post(url, json=body(number)) as answer:
                assert answer.status == 201, await answer.text()

    async def run() -> None:
        numbers = iter(range(count))
        async with clients() as session:
            await asyncio.gather(*(client(session, numbers) for _ in range(CLIENTS)))

    began = time.monotonic()
    asyncio.run(run())
    return count / (time.monotonic() - began)


@contextlib.asynccontextmanager
async def clients() -> AsyncIterator[aiohttp.ClientSession]:
    """Yield a session with a connection for each client."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CLIENTS)) as session:
        yield session


def begins_per_second(stack: Stack, prefix: str, seconds: float) -> float:
    """Return the rate of begins that clients reach through the gateway."""

    async def client(session: aiohttp.ClientSession, number: int, end: float) -> int:
        done = 0
        while time.monotonic() < end:
            url = f"{stack.url}/begin?id={prefix}-{number}-{done}&function=foo"
            async with session.post(url) as answer:
                assert answer.status == 202, await answer.text()
            done += 1
        return done

    async def run() -> int:
        async with clients() as session:
            end = time.monotonic() + seconds
            return sum(await asyncio.gather(*(client(session, n, end) for n in range(CLIENTS))))

    return asyncio.run(run()) / seconds


def step_times(worker: Process) -> list[float]:
    """Return the times of the starts of a worker's steps, since the epoch, in order."""
    events = worker.events("step started")
    return sorted(datetime.fromisoformat(event["timestamp"]).timestamp() for event in events)


def opened_at(worker: Process) -> float:
    """Return the time when a worker's stream was opened."""
    return datetime.fromisoformat(worker.started("stream opened")["timestamp"]).timestamp()


def idle(count: int) -> None:
    """Measure the server beside executions that wait."""
    with stack_of() as stack:
        print(f"idle: {count} begun at {fill(stack, count, 'idle-', 'foo', 'null'):.0f}/s")
        for minute in range(SETTLE_MINUTES):
            share = share_of_core(stack.server.pid, 60)
            print(f"idle: minute {minute}: {share:.3f} of a core", flush=True)
        print(f"idle: {resident_mib(stack.server.pid):.0f} MiB", flush=True)


def begins(count: int) -> None:
    """Measure begins with and without executions that wait."""
    with stack_of() as empty, stack_of() as full:
        fill(full, count, "waits-", "foo", "null")
        time.sleep(120)
        rates = []
        for number in range(ROUNDS):
            without = begins_per_second(empty, f"a{number}", ROUND_SECONDS)
            beside = begins_per_second(full, f"b{number}", ROUND_SECONDS)
            rates.append(beside / without)
            print(f"begins: {without:.0f}/s without, {beside:.0f}/s beside {count}", flush=True)
        print(f"begins: median ratio {statistics.median(rates):.2f}", flush=True)


def start(count: int) -> None:
    """Measure a worker that starts beside slow executions that wait."""
    with stack_of() as stack:
        fill(stack, count, "slow-", "part", f'{{"pace":{SLOW_SECONDS}}}')
        time.sleep(90)
        worker = stack.add_worker("worker-1")
        wait_until(lambda: len(step_times(worker)) >= SLOTS, seconds=60, what="busy slots")
        times, opened = step_times(worker), opened_at(worker)
        print(f"start: first step after {times[0] - opened:.2f} s of the open stream")
        print(f"start: {SLOTS} slots busy after {times[SLOTS - 1] - opened:.2f} s")
        for _ in range(4):
            share = share_of_core(stack.server.pid, 15)
            print(f"start: all slots busy: {share:.3f} of a core", flush=True)
        rate = begins_per_second(stack, "busy", ROUND_SECONDS)
        print(f"start: {rate:.0f} begins/s while all slots are busy")
        print(f"start: worker {resident_mib(worker.pid):.0f} MiB", flush=True)


def comeback(count: int) -> None:
    """Measure a worker that starts after ten minutes without one."""
    count = min(count, 10)
    with stack_of() as stack:
        fill(stack, count, "few-", "foo", "null")
        time.sleep(COMEBACK_SECONDS)
        worker = stack.add_worker("worker-1")
        wait_until(lambda: len(step_times(worker)) >= count, seconds=60, what="all steps")
        times, opened = step_times(worker), opened_at(worker)
        print(f"comeback: first after {times[0] - opened:.2f} s, all {times[-1] - opened:.2f} s")


def killed(count: int) -> None:
    """Measure how offers of a killed worker come to another one."""
    count = min(count, OFFERS)
    with stack_of() as stack:
        worker = stack.add_worker("worker-1", WORKER_CONCURRENCY="1")
        fill(stack, 1, "first-", "part", f'{{"pace":{SLOW_SECONDS}}}')
        wait_until(lambda: step_times(worker), what="a busy slot")
        fill(stack, count, "offered-", "foo", "null")
        time.sleep(0.5)
        worker.kill()
        killed_at = time.time()
        other = stack.add_worker("worker-2")
        wait_until(lambda: len(step_times(other)) >= count + 1, seconds=60, what="all steps")
        times = step_times(other)
        first, half, last = (times[n] - killed_at for n in (0, count // 2, count))
        print(
            f"killed: {count} offers; first, half, all begun after "
            f"{first:.2f}, {half:.2f}, {last:.2f} s of the kill"
        )


SCENES: Final = {s.__name__: s for s in (idle, begins, start, comeback, killed)}


def main(arguments: list[str]) -> None:
    """Run the scenes."""
    count = int(arguments[0]) if arguments else 100_000
    for name in arguments[1:] or SCENES:
        SCENES[name](count)


if __name__ == "__main__":
    main(sys.argv[1:])
