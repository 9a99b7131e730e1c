"""Measures what a second cell adds: `python -m bench cells`.

A cell is pinned to one core: its server, gateway and worker. In each round there is one cell on the
first core, then one on each of the first two, each time behind HAProxy, and executions are begun
without an id until a fixed number for each core is done. HAProxy and the load generator run on the
same cores as the cells, one process of the load on each, so that what they cost is taken from
each core alike. For each round it prints executions from begin to end a second, and their ratio;
twice is all that a second core can add.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sqlite3
import statistics
import tempfile
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bench.loads.loops import closed_loop
from bench.parts.part import begin_request, throughput
from tests.support.cell.cells import Cells, running_cells

if TYPE_CHECKING:
    from collections.abc import Sequence

SPAWN: Final = multiprocessing.get_context("spawn")
ROUNDS: Final = 5
WARM: Final = 100
EXECUTIONS: Final = 1500
"""Executions of each core that are begun before the measurement, and in it."""

CLIENTS: Final = 16
"""Clients of each core."""

TIMES: Final = (
    "SELECT created_on, completed_on FROM promises"
    " WHERE state = 2 AND id NOT LIKE '%.%' AND id NOT LIKE '=%'"
)


def load(port: int, core: int, count: int) -> None:
    """Begin executions from one core. Raises `RuntimeError` unless all are accepted."""
    os.sched_setaffinity(0, {core})
    one = repeat(begin_request())
    outcome = closed_loop([("127.0.0.1", port)], one, clients=CLIENTS, seconds=120, count=count)
    if outcome.good != count:
        raise RuntimeError(f"not all begins were accepted: {dict(outcome.statuses)}")


def begin(cells: Cells, cores: Sequence[int], count: int) -> None:
    """Begin so many executions from each core, and wait until all have ended."""
    port = urlsplit(cells.url).port
    loads = [SPAWN.Process(target=load, args=(port, core, count)) for core in cores]
    for each in loads:
        each.start()
    for each in loads:
        each.join()
    if any(each.exitcode for each in loads):
        raise RuntimeError("a load has failed")
    cells.all_ended()


def times(cells: Cells) -> list[tuple[int, int]]:
    """Return begin and end of each execution in ms, by the servers' clock."""
    found: list[tuple[int, int]] = []
    for stack in cells.stacks.values():
        database = f"file:{stack.server.database}?mode=ro"
        with contextlib.closing(sqlite3.connect(database, uri=True)) as connection:
            found += connection.execute(TIMES).fetchall()
    return sorted(found)


def rate(cores: Sequence[int]) -> float:
    """Return executions/s of a cell on each of these cores."""
    pinned = dict(zip("ab", cores, strict=False))
    os.sched_setaffinity(0, cores)
    with (
        tempfile.TemporaryDirectory() as directory,
        running_cells(Path(directory), *pinned, cores=pinned) as cells,
    ):
        begin(cells, cores, WARM)
        before = len(times(cells))
        begin(cells, cores, EXECUTIONS)
        measured = times(cells)[before:]
        if len(measured) != EXECUTIONS * len(cores):
            raise RuntimeError(f"{len(measured)} executions resolved")
        return throughput(measured)["rate"]


def main() -> None:
    """Run all rounds and print a table."""
    every = sorted(os.sched_getaffinity(0))
    if len(every) < 2:
        print("two cores are needed")
        return
    first, second = every[:2]
    ratios = []
    print("one cell", "two cells", "ratio", sep="\t")
    try:
        for _ in range(ROUNDS):
            one, two = rate([first]), rate([first, second])
            ratios.append(two / one)
            print(f"{one:.0f}/s", f"{two:.0f}/s", f"{two / one:.2f}", sep="\t", flush=True)
    finally:
        os.sched_setaffinity(0, every)
    print(f"median ratio: {statistics.median(ratios):.2f}")
