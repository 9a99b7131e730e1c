"""When a gateway takes the map of its file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from gateway.cells.map_file import MapFile, MapWatch
from gateway.cells.own_ids import OwnIds
from tests.support.gateway.client import until

if TYPE_CHECKING:
    from pathlib import Path

    from structlog.typing import EventDict

CELLS: Final = {"a": {"gateways": ["http://a:1"]}, "b": {"gateways": ["http://b:1"]}}


class Store:
    """Knows one map, and has no other map."""

    def __init__(self) -> None:
        self.digest = ""
        self.asked = 0

    async def ping(self) -> None:
        """Answer at once."""

    async def given_up_ended(self) -> None:
        """Have nothing running."""

    async def keep_slot_map(self, cell: str, generation: int, digest: str) -> str | None:
        """Accept the map with the digest."""
        self.asked += 1
        return None if digest == self.digest else f"another one than {cell}'s {generation}"


def write(path: Path, generation: int, owner: str) -> None:
    """Put a map in place in which a cell has all hash slots."""
    lines: list[dict[str, Any]] = [{"slots": "0-63", "cell": owner}]
    path.write_text(json.dumps({"generation": generation, "cells": CELLS, "slots": lines}))


@pytest.mark.parametrize("mended", ["file", "store"])
async def test_a_refused_map_is_replaced_or_asked_for_again(
    tmp_path: Path, mended: str, log: list[EventDict]
) -> None:
    """By another one of its generation, by no older one; SIGHUP has the store asked once more."""
    path, store = tmp_path / "cells.json", Store()
    file = MapFile(path, "a")
    write(path, 2, "b")
    right = file.read()
    write(path, 2, "a")
    wrong = file.read()
    store.digest = right.digest
    ids = OwnIds("a", wrong, store)
    watch = MapWatch(file, ids)

    async def look(event: str) -> None:
        seen = len(log)
        watch.look_now()
        await until(lambda: any(each["event"] == event for each in log[seen:]))

    async with ids.running(), watch.running():
        assert ids.is_refused
        write(path, 1, "b")
        await look("slot map not changed")
        assert (ids.slots, store.asked) == (wrong, 1)
        write(path, 2, "b" if mended == "file" else "a")
        store.digest = right.digest if mended == "file" else wrong.digest
        await look("slot map in force")
        accepted = ids.slots
        write(path, 2, "a" if mended == "file" else "b")
        await look("slot map not changed")

    assert ids.slots == accepted == (right if mended == "file" else wrong)
    assert (ids.generation, store.asked) == (2, 2)
