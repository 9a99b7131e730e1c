"""The slot map: which cell has which ids.

A cell is a server with its store, gateways and workers, and shares nothing with other cells. Each
id belongs to one of 64 hash slots, each hash slot to one cell. Balancers compute the same hash.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Final, Self

import msgspec
from msgspec import Meta, Struct
from yarl import URL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SLOTS: Final = 64
MOST_CELLS: Final = SLOTS
MAX_BYTES: Final = 256 * 1024
"""Bytes of a file with a map, far more than any map has."""

CELL_GRAMMAR: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
"""Names of cells are in headers, in labels of metrics and in a balancer's configuration."""

GATEWAY_GRAMMAR: Final = re.compile(r"https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?")
SLOTS_GRAMMAR: Final = re.compile(r"(\d{1,2})(?:-(\d{1,2}))?")


class SlotMapError(Exception):
    """The content is no slot map; the message says why."""


@dataclass(frozen=True)
class Slot:
    """The cell to which a hash slot belongs.

    `former` are cells that may have old ids of it, the newest first. While it is `closed`, its
    cell takes no new ids.
    """

    cell: str
    former: tuple[str, ...] = ()
    closed: bool = False


@dataclass(frozen=True)
class SlotMap:
    """The URLs of each cell's gateways, and the cell of each hash slot.

    A later map has a larger `generation`.
    """

    generation: int
    cells: Mapping[str, tuple[str, ...]]
    slots: tuple[Slot, ...]

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Return the map in a file. Raises `SlotMapError`."""
        try:
            raw = _DECODER.decode(content)
            json.loads(content, object_pairs_hook=_without_doubles)
        except (msgspec.MsgspecError, ValueError) as error:
            raise SlotMapError(str(error)) from None
        cells = {name: tuple(cell.gateways) for name, cell in raw.cells.items()}
        for name, gateways in cells.items():
            _check_cell(name, gateways)
        return cls(raw.generation, cells, _slots(raw.slots, cells))

    @cached_property
    def digest(self) -> str:
        """Eight bytes in hex, which differ for maps that differ, however a file is written."""
        slots = [(slot.cell, slot.former, slot.closed) for slot in self.slots]
        content = msgspec.json.encode((self.generation, sorted(self.cells.items()), slots))
        return hashlib.sha256(content).hexdigest()[:16]

    def slot_of(self, id: str) -> Slot:
        """Return the hash slot of an id."""
        return self.slots[number_of(id)]


def number_of(id: str) -> int:
    """Return the number of an id's hash slot, from 0 to 63."""
    return zlib.crc32(id.encode()) % SLOTS


class _Cell(Struct, frozen=True, forbid_unknown_fields=True):
    gateways: Annotated[list[str], Meta(min_length=1, max_length=64)]


class _Line(Struct, frozen=True, forbid_unknown_fields=True):
    """Hash slots that are alike."""

    slots: str
    cell: str
    former: Annotated[list[str], Meta(max_length=MOST_CELLS)] = []
    closed: bool = False


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    generation: Annotated[int, Meta(ge=1, le=2**53)]
    cells: Annotated[dict[str, _Cell], Meta(min_length=1, max_length=MOST_CELLS)]
    slots: Annotated[list[_Line], Meta(max_length=SLOTS)]


_DECODER: Final = msgspec.json.Decoder(_File)


def _without_doubles(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object. Raises `ValueError` for two members of one name.

    Of two cells `a`, say, the gateways of the first one would be lost without a word.
    """
    found = dict(members)
    if len(found) < len(members):
        names = [name for name, _ in members]
        double = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{double!r} is given twice")
    return found


def _check_cell(name: str, gateways: Sequence[str]) -> None:
    if CELL_GRAMMAR.fullmatch(name) is None:
        raise SlotMapError(f"the name of a cell must match {CELL_GRAMMAR.pattern}, got {name!r}")
    for url in gateways:
        if GATEWAY_GRAMMAR.fullmatch(url) is None or not _has_port(url):
            raise SlotMapError(f"a gateway of cell {name} must look like http://host:port: {url!r}")


def _has_port(url: str) -> bool:
    """Return whether there can be such an address; no port is 0 or above 65,535."""
    try:
        return bool(URL(url).port)
    except ValueError:
        return False


def _slots(lines: Sequence[_Line], cells: Mapping[str, object]) -> tuple[Slot, ...]:
    found: dict[int, Slot] = {}
    for line in lines:
        for cell in (line.cell, *line.former):
            if cell not in cells:
                raise SlotMapError(f"slots {line.slots}: there is no cell {cell!r}")
        if len({line.cell, *line.former}) <= len(line.former):
            raise SlotMapError(f"slots {line.slots}: a cell is named twice")
        slot = Slot(line.cell, tuple(line.former), line.closed)
        for number in _numbers(line.slots):
            if number in found:
                raise SlotMapError(f"slot {number} is given twice")
            found[number] = slot
    missing = [number for number in range(SLOTS) if number not in found]
    if missing:
        raise SlotMapError(f"slots are missing: {', '.join(map(str, missing))}")
    return tuple(found[number] for number in range(SLOTS))


def _numbers(text: str) -> range:
    match = SLOTS_GRAMMAR.fullmatch(text)
    if match is None:
        raise SlotMapError(f"slots must be like 7 or 0-31, got {text!r}")
    first, last = int(match[1]), int(match[2] or match[1])
    if not first <= last < SLOTS:
        raise SlotMapError(f"slots must be from 0 to {SLOTS - 1}, got {text!r}")
    return range(first, last + 1)
