"""The file with the slot map, as tools read it, change it and put it in place at once."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from gateway.cells.hash_slots import SlotMap, SlotMapError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from gateway.cells.hash_slots import Slot


class MapError(Exception):
    """The map cannot be used or changed; the message is the reason."""


class OtherMapError(MapError):
    """A gateway has a map that did not come from here, and keeps it."""


def read(path: Path) -> SlotMap:
    """Return the map in a file. Raises `MapError`."""
    try:
        return SlotMap.parse(path.read_bytes())
    except OSError as error:
        raise MapError(f"{path}: {error.strerror}") from None
    except SlotMapError as error:
        raise MapError(f"{path}: {error}") from None


def write(path: Path, content: bytes) -> None:
    """Put a file in place at once, and so that it survives the end of this machine.

    It has the mode and the owner of the file that it replaces; a link to that stays. Raises
    `MapError`.
    """
    try:
        target = path.resolve()
        part = target.with_name(f"{target.name}.part")
        with part.open("wb") as file:
            with contextlib.suppress(FileNotFoundError):
                _give(file.fileno(), target.stat())
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
        _keep_names(target.parent)
    except OSError as error:
        raise MapError(f"{path} cannot be written: {error.strerror}") from None


def _give(descriptor: int, former: os.stat_result) -> None:
    own = os.fstat(descriptor)
    if (own.st_uid, own.st_gid) != (former.st_uid, former.st_gid):
        os.fchown(descriptor, former.st_uid, former.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(former.st_mode))


def _keep_names(folder: Path) -> None:
    """Have the names of a folder's files survive the end of this machine."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other programs from changing the map until the block ends. Raises `MapError`."""
    target = path.resolve()
    try:
        lock = target.with_name(f"{target.name}.lock").open("a")
    except OSError as error:
        raise MapError(f"{path}: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise MapError(f"{path} is being changed by another program") from None
        yield


def with_slots(slots: SlotMap, changed: Mapping[int, Slot]) -> SlotMap:
    """Return the next generation, in which these hash slots are changed."""
    every = tuple(changed.get(number, slot) for number, slot in enumerate(slots.slots))
    return replace(slots, generation=slots.generation + 1, slots=every)


def owners(slots: SlotMap) -> list[str]:
    """Return the cell of each hash slot."""
    return [slot.cell for slot in slots.slots]


def spans(slots: SlotMap, cell: str) -> str:
    """Return the hash slots of a cell, such as `0-31, 40`."""
    return _spans(number for number, owner in enumerate(owners(slots)) if owner == cell)


def closed_spans(slots: SlotMap, cell: str) -> str:
    """Return those hash slots of a cell of which it takes no new ids."""
    found = enumerate(slots.slots)
    return _spans(number for number, slot in found if slot.cell == cell and slot.closed)


def encoded(slots: SlotMap) -> bytes:
    """Return the content of the map's file; neighbouring hash slots that are alike share a line."""
    cells = [f'"{name}": {_line({"gateways": urls})}' for name, urls in slots.cells.items()]
    lines = []
    for slot, found in groupby(enumerate(slots.slots), key=lambda pair: pair[1]):
        line: dict[str, Any] = {"slots": _span([number for number, _ in found]), "cell": slot.cell}
        if slot.former:
            line["former"] = slot.former
        if slot.closed:
            line["closed"] = True
        lines.append(_line(line))
    between = ",\n    "
    return (
        f'{{\n  "generation": {slots.generation},\n'
        f'  "cells": {{\n    {between.join(cells)}\n  }},\n'
        f'  "slots": [\n    {between.join(lines)}\n  ]\n}}\n'
    ).encode()


def _spans(numbers: Iterable[int]) -> str:
    # Those that follow each other are as far from their places in the list.
    found = groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])
    return ", ".join(_span([number for _, number in pairs]) for _, pairs in found)


def _span(numbers: list[int]) -> str:
    first, last = numbers[0], numbers[-1]
    return str(first) if first == last else f"{first}-{last}"


def _line(value: object) -> str:
    return json.dumps(value)
