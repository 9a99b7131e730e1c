"""The file with the slot map, as tools read it, change it and put it in place at once."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, Self

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SLOTS: Final = 64


class MapError(Exception):
    """The map cannot be used or changed; the message is the reason."""


@dataclass(frozen=True)
class Slot:
    """The cell of a hash slot; `former` may have old ids of it, the newest first."""

    cell: str
    former: tuple[str, ...] = ()
    closed: bool = False


@dataclass(frozen=True)
class SlotMap:
    """The gateways of each cell, and the 64 hash slots."""

    generation: int
    cells: Mapping[str, tuple[str, ...]]
    slots: tuple[Slot, ...]

    @property
    def owners(self) -> tuple[str, ...]:
        return tuple(slot.cell for slot in self.slots)

    def with_slots(self, changed: Mapping[int, Slot]) -> Self:
        """Return the next generation, in which these hash slots are so."""
        slots = tuple(changed.get(number, slot) for number, slot in enumerate(self.slots))
        return replace(self, generation=self.generation + 1, slots=slots)

    def with_cells(self, cells: Mapping[str, tuple[str, ...]]) -> Self:
        """Return the next generation, in which the cells are these."""
        return replace(self, generation=self.generation + 1, cells=cells)

    def encoded(self) -> bytes:
        """Return the file's content; neighbouring hash slots that are alike share a line."""
        cells = [f'"{name}": {_line({"gateways": urls})}' for name, urls in self.cells.items()]
        slots = []
        for slot, found in groupby(enumerate(self.slots), key=lambda pair: pair[1]):
            numbers = [number for number, _ in found]
            line: dict[str, Any] = {"slots": span(numbers[0], numbers[-1]), "cell": slot.cell}
            if slot.former:
                line["former"] = slot.former
            if slot.closed:
                line["closed"] = True
            slots.append(_line(line))
        between = ",\n    "
        return (
            f'{{\n  "generation": {self.generation},\n'
            f'  "cells": {{\n    {between.join(cells)}\n  }},\n'
            f'  "slots": [\n    {between.join(slots)}\n  ]\n}}\n'
        ).encode()


def _line(value: object) -> str:
    return json.dumps(value)


def span(first: int, last: int) -> str:
    """Return how a map writes these hash slots and those between them."""
    return str(first) if first == last else f"{first}-{last}"


def spans(slots: SlotMap, cell: str) -> str:
    """Return the hash slots of a cell, such as `0-31, 40`."""
    found = groupby(enumerate(slots.owners), key=lambda pair: pair[1])
    parts = [[number for number, _ in pairs] for owner, pairs in found if owner == cell]
    return ", ".join(span(part[0], part[-1]) for part in parts)


def read(path: Path) -> SlotMap:
    """Return the map in a file. Raises `MapError`."""
    try:
        raw = orjson.loads(path.read_bytes())
    except OSError as error:
        raise MapError(f"{path}: {error.strerror}") from None
    slots: dict[int, Slot] = {}
    for line in raw["slots"]:
        first, _, last = line["slots"].partition("-")
        for number in range(int(first), int(last or first) + 1):
            slots[number] = Slot(
                line["cell"], tuple(line.get("former", ())), line.get("closed", False)
            )
    cells = {name: tuple(cell["gateways"]) for name, cell in raw["cells"].items()}
    return SlotMap(raw["generation"], cells, tuple(slots[n] for n in sorted(slots)))


def write(path: Path, content: bytes) -> None:
    """Put a file in place at once, and so that it survives the end of this machine."""
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep others from changing the map until the block ends. Raises `MapError`."""
    with path.with_name(f"{path.name}.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise MapError(f"{path} is being changed by another program") from None
        yield
