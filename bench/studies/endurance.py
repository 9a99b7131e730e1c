"""Measures whether the service stays fast and small: `python -m bench endurance`.

Runs `foo` executions through one gateway and three workers, none of which is restarted. For each
tenth of them it prints the rate and the CPU time of one execution, both also as a ratio to the
first tenth, and the memory of every process. Other load on the machine changes the rate most and
the CPU time least.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tests.support.stack import Stack, running_stack
from tests.support.usage import cpu_seconds, resident_mib

EXECUTIONS = 100_000
WINDOWS = 10
CLIENTS = 64
"""Parts of the run, and clients that begin executions at the same time."""


@dataclass(frozen=True)
class Window:
    """One part of the run: executions so far, executions/s, CPU ms of one, MiB of each process."""

    executions: int
    rate: float
    cpu: float
    resident: dict[str, float]


def count_resolved(database: Path) -> int:
    """Count executions that resolved (state 2 of the server's schema)."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        query = "SELECT count(*) FROM promises WHERE state = 2 AND id NOT LIKE '%.%'"
        return int(connection.execute(query).fetchone()[0])


async def run_window(stack: Stack, number: int, executions: int) -> float:
    """Begin the window's executions, wait until all have ended, and return their rate."""
    pending = iter(range(executions))
    began = time.monotonic()
    async with aiohttp.ClientSession() as session:

        async def client() -> None:
            for n in pending:
                async with session.post(f"{stack.url}/begin?id=e{number}-{n}") as response:
                    if response.status != 202:
                        raise RuntimeError(f"begin answered {response.status}")

        await asyncio.gather(*(client() for _ in range(CLIENTS)))
    target = number * executions
    while count_resolved(stack.server.database) < target:
        await asyncio.sleep(0.1)  # the database sends no notification of a change
    return executions / (time.monotonic() - began)


def main(total: int = EXECUTIONS) -> None:
    """Run all windows and print a table."""
    windows: list[Window] = []
    with tempfile.TemporaryDirectory() as directory, running_stack(Path(directory)) as stack:
        pids = {name: p.pid for name, p in (stack.gateways | stack.workers).items()}
        assert stack.server.pid is not None
        pids["server"] = stack.server.pid
        print("executions", "rate", "of first", "CPU each", "of first", *pids, sep="\t")
        for number in range(1, WINDOWS + 1):
            before = sum(map(cpu_seconds, pids.values()))
            rate = asyncio.run(run_window(stack, number, total // WINDOWS))
            used = (sum(map(cpu_seconds, pids.values())) - before) * 1000 / (total // WINDOWS)
            resident = {name: resident_mib(pid) for name, pid in pids.items()}
            windows.append(Window(number * total // WINDOWS, rate, used, resident))
            share = f"{rate / windows[0].rate:.2f}\t{used:.2f} ms\t{used / windows[0].cpu:.2f}"
            memory = [f"{mib:.0f}" for mib in resident.values()]
            print(windows[-1].executions, f"{rate:.0f}/s", share, *memory, sep="\t", flush=True)
