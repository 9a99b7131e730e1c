"""Two cells with a slot map: each a server, a gateway and a worker."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gateway.cells.hash_slots import SLOTS, number_of
from tests.support.ports import free_port
from tests.support.processes import Answer, call, wait_until
from tests.support.stack import running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.support.stack import Stack


@dataclass
class Cells:
    """The stacks by their cells' names, and the file with the slot map.

    The map names a gateway of each cell by `urls`, and those of `more` after it.
    """

    path: Path
    urls: dict[str, str]
    stacks: dict[str, Stack] = field(default_factory=dict)
    generation: int = 0
    slots: dict[int, dict[str, Any]] = field(default_factory=dict)
    more: dict[str, list[str]] = field(default_factory=dict)

    def put(self, changed: Mapping[int, dict[str, Any]] | None = None) -> None:
        """Put the next generation of the map in place; hash slots not given stay as they are."""
        self.generation += 1
        self.slots.update(changed or {})
        content = {
            "generation": self.generation,
            "cells": {
                name: {"gateways": [url, *self.more.get(name, ())]}
                for name, url in self.urls.items()
            },
            "slots": [{"slots": str(number), **slot} for number, slot in self.slots.items()],
        }
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(content))
        part.replace(self.path)

    def change(self, changed: Mapping[int, dict[str, Any]]) -> None:
        """Put the next generation in place, and wait until all gateways work by it."""
        self.put(changed)
        wait_until(
            lambda: all(self.in_force(name) == self.generation for name in self.urls),
            what=f"generation {self.generation}",
        )

    def in_force(self, cell: str) -> int:
        """Return the generation by which a cell's gateway works."""
        generation: int = self.call(cell, "/cells").body["generation"]
        return generation

    def call(
        self,
        cell: str,
        path: str,
        method: str = "GET",
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask a cell's gateway."""
        return call(f"{self.urls[cell]}{path}", method, body, 30, headers)

    def begin(self, cell: str, id: str, **more: Any) -> Answer:
        """Begin an execution of `foo` at a cell's gateway."""
        return self.call(cell, f"/begin?id={id}&function=foo", "POST", {}, **more)

    def has(self, cell: str, id: str) -> bool:
        """Return whether a cell's own store has an execution."""
        answer = self.call(cell, f"/wait?id={id}", headers={"X-Cell-Hop": f"{cell}/store"})
        assert answer.status in {200, 404}, answer
        return answer.status == 200


@contextlib.contextmanager
def running_cells(directory: Path) -> Iterator[Cells]:
    """Run cells `a` and `b`, of which `a` has the even hash slots, until the block ends."""
    ports = {name: free_port() for name in ("a", "b")}
    urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    cells = Cells(directory / "cells.json", urls)
    cells.put({number: {"cell": "ab"[number % 2]} for number in range(SLOTS)})
    with contextlib.ExitStack() as running:
        for name, port in ports.items():
            own = {
                "GATEWAY_PORT": str(port),
                "GATEWAY_CELLS": str(cells.path),
                "GATEWAY_CELL": name,
            }
            (directory / name).mkdir()
            stack = running_stack(directory / name, workers=1, gateway=own)
            cells.stacks[name] = running.enter_context(stack)
        yield cells


def id_of(cells: Cells, prefix: str, cell: str) -> str:
    """Return an id that begins so and belongs to a cell."""
    return next(
        id
        for id in (f"{prefix}-{number}" for number in range(10_000))
        if cells.slots[number_of(id)]["cell"] == cell
    )
