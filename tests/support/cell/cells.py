"""Real cells behind a real HAProxy, and what their stores have."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections import Counter
from typing import TYPE_CHECKING, Final

from gateway.cells.hash_slots import SLOTS, Slot, SlotMap
from tests.support.cell.balancer import running_balancer
from tests.support.ports import free_port
from tests.support.processes import wait_until
from tests.support.stack import SHIPPED_MODULES, running_stack
from tools.cells import slot_map

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from tests.support.cell.balancer import Balancer
    from tests.support.stack import Stack

EXECUTIONS: Final = "SELECT id, state FROM promises WHERE id NOT LIKE '%.%' AND id NOT LIKE '=%'"
PENDING: Final = 1
"""A state of the server's schema."""


class Cells:
    """Cells by name, the file of their map, and HAProxy."""

    def __init__(self, stacks: Mapping[str, Stack], map_file: Path, balancer: Balancer) -> None:
        self.stacks = stacks
        self.map_file = map_file
        self.balancer = balancer

    @property
    def url(self) -> str:
        return self.balancer.url

    def map(self) -> SlotMap:
        return slot_map.read(self.map_file)

    def owner(self, id: str) -> str:
        return self.map().slot_of(id).cell

    def stored(self, cell: str) -> dict[str, int]:
        """Return the executions in a cell's store, each with its state."""
        database = self.stacks[cell].server.database
        with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as found:
            return dict(found.execute(EXECUTIONS).fetchall())

    def stores_of(self, ids: Iterable[str]) -> dict[str, list[str]]:
        """Return the cells that have each id."""
        stored = {cell: self.stored(cell) for cell in self.stacks}
        return {id: [cell for cell in stored if id in stored[cell]] for id in ids}

    def all_ended(self) -> None:
        """Wait until no execution is pending in any cell."""
        wait_until(
            lambda: all(PENDING not in self.stored(cell).values() for cell in self.stacks),
            seconds=60,
            what="the end of all executions",
        )

    def steps_started(self) -> Counter[tuple[str, str]]:
        """Return how often each step of each execution was started, by the logs."""
        return Counter(
            (event["execution"], event["step"])
            for stack in self.stacks.values()
            for worker in stack.workers.values()
            for event in worker.events("step started")
        )


@contextlib.contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Pin what this thread starts to a core until the block ends."""
    before = os.sched_getaffinity(0)
    if core is not None:
        os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def running_cells(
    directory: Path, *names: str, workers: int = 1, cores: Mapping[str, int] | None = None
) -> Iterator[Cells]:
    """Run a cell of each name, with as many hash slots as the others, until the block ends.

    `cores` has the core to which each cell is pinned.
    """
    ports = {name: free_port() for name in names}
    urls = {name: (f"http://127.0.0.1:{port}",) for name, port in ports.items()}
    slots = SlotMap(1, urls, tuple(Slot(names[n * len(names) // SLOTS]) for n in range(SLOTS)))
    file = directory / "cells.json"
    slot_map.write(file, slot_map.encoded(slots))
    with contextlib.ExitStack() as stack:
        stacks = {}
        for name, port in ports.items():
            own = directory / name
            own.mkdir()
            settings = {
                "GATEWAY_PORT": str(port),
                "GATEWAY_CELLS": str(file),
                "GATEWAY_CELL": name,
            }
            with pinned((cores or {}).get(name)):
                stacks[name] = stack.enter_context(
                    running_stack(own, workers=workers, gateway=settings, modules=SHIPPED_MODULES)
                )
        balancer = stack.enter_context(running_balancer(directory, slots))
        cells = Cells(stacks, file, balancer)
        every = {f"{name}-1" for name in names}
        wait_until(lambda: balancer.passes_to("any-with-server") == every, what="all gateways")
        yield cells
