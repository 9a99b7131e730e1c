"""What runs where when cells run here: files, ports, programs and the first map."""

from __future__ import annotations

import string
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from gateway.cells.hash_slots import SLOTS, Slot, SlotMap
from gateway.environment import LAST_PORT
from tools.cells import slot_map
from tools.cells.slot_map import MapError
from tools.run.checks import NotStartedError, port_fault
from tools.run.plan import (
    DataPaths,
    Ports,
    Program,
    data_directory,
    inherited,
    own_environment,
    programs,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

FIRST_PORT: Final = 5010
"""Default of CELLS_PORT, the first port of the first cell."""

PORTS: Final = 10
"""Ports of a cell: of its gateway, its store, the store's messages, and those for workers."""

PRESENCE_PORTS: Final = PORTS - 3
WORKERS: Final = ("worker-1", "worker-2")
MOST_CELLS: Final = 8


@dataclass(frozen=True)
class CellsPaths(DataPaths):
    """Paths of the files of all cells, in the folder above those of each."""

    @property
    def map(self) -> Path:
        return self.data / "cells.json"

    @property
    def haproxy(self) -> Path:
        return self.data / "haproxy.cfg"

    @property
    def slots(self) -> Path:
        return self.data / "slots.map"

    @property
    def admin_socket(self) -> Path:
        return self.data / "admin.sock"


@dataclass(frozen=True)
class Cell:
    """One cell: its name, its files, and its ports, which follow each other."""

    name: str
    paths: DataPaths
    first: int

    @property
    def ports(self) -> Ports:
        return Ports(self.first, self.first + 1, self.first + 2)

    @property
    def presence_port(self) -> int:
        return self.first + 3

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.first}"

    @property
    def store_url(self) -> str:
        return f"http://127.0.0.1:{self.ports.store}"


def paths_of(environment: Mapping[str, str]) -> CellsPaths:
    """Return the paths of the cells that run here."""
    return CellsPaths(data_directory(environment) / "cells")


def port_of(environment: Mapping[str, str]) -> int:
    """Return HAProxy's port, GATEWAY_PORT. Raises `ValueError`."""
    return Ports.of(environment).gateway


def cells_of(count: int, paths: CellsPaths, environment: Mapping[str, str]) -> list[Cell]:
    """Return the cells a, b and so on. Raises `ValueError`."""
    if not 1 <= count <= MOST_CELLS:
        raise ValueError(f"there can be 1 to {MOST_CELLS} cells here, not {count}")
    text = environment.get("CELLS_PORT") or str(FIRST_PORT)
    last = LAST_PORT - count * PORTS + 1
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= last):
        raise ValueError(f"CELLS_PORT must be a TCP port up to {last}, got {text!r}")
    return [
        Cell(name, DataPaths(paths.data / name), int(text) + number * PORTS)
        for number, name in enumerate(string.ascii_lowercase[:count])
    ]


def check_ports(port: int, cells: Sequence[Cell]) -> None:
    """Raise `NotStartedError` with a line for every port that is in use."""
    own = [number for cell in cells for number in range(cell.first, cell.first + PORTS)]
    wanted = {port: "GATEWAY_PORT", **dict.fromkeys(own, "CELLS_PORT")}
    faults = [
        f"port {number} {fault}: free it, or set {name} to another"
        for number, name in wanted.items()
        if (fault := port_fault(number)) is not None
    ]
    if port in own:
        faults.append(f"port {port} is for a cell: set GATEWAY_PORT or CELLS_PORT to another")
    if faults:
        raise NotStartedError(*faults)


def current_map(paths: CellsPaths, cells: Sequence[Cell]) -> SlotMap:
    """Return the map, with cells that are new in it, or a first one. Raises `MapError`.

    A cell that is new in a map that there was owns no hash slot, until some are moved to it.
    """
    urls = {cell.name: (cell.url,) for cell in cells}
    if not paths.map.exists():
        names = list(urls)
        owners = (names[number * len(names) // SLOTS] for number in range(SLOTS))
        slots = SlotMap(1, urls, tuple(Slot(name) for name in owners))
    else:
        former = slot_map.read(paths.map)
        if missing := former.cells.keys() - urls:
            raise MapError(
                f"{paths.map} has the cells {', '.join(sorted(missing))} as well: start"
                f" {len(former.cells)}, or delete {paths.data}"
            )
        slots = (
            former
            if former.cells == urls
            else replace(former, generation=former.generation + 1, cells=urls)
        )
    slot_map.write(paths.map, slot_map.encoded(slots))
    return slots


def environment_of(cell: Cell, paths: CellsPaths, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a cell's gateway and workers."""
    return {
        **own_environment(cell.ports, cell.presence_port, environment),
        "GATEWAY_CELLS": str(paths.map),
        "GATEWAY_CELL": cell.name,
    }


def programs_of(
    binary: Path, cell: Cell, paths: CellsPaths, environment: Mapping[str, str]
) -> list[Program]:
    """Return the programs of a cell, whose names begin with its own."""
    cell.paths.data.mkdir(exist_ok=True)
    own = environment_of(cell, paths, environment)
    result = []
    for program in programs(binary, cell.ports, cell.paths, own, WORKERS):
        cell.paths.ready(program.name).unlink(missing_ok=True)
        name = f"{cell.name}-{program.name}"
        # The server would read others as its settings.
        names = {} if program.group == "server" else {"GATEWAY_NAME": name, "WORKER_NAME": name}
        variables = {**program.environment, **names}
        result.append(replace(program, name=name, environment=variables))
    return result


def balancer(haproxy: str, port: int, paths: CellsPaths, environment: Mapping[str, str]) -> Program:
    """Return HAProxy as a program."""
    own = {
        **inherited(environment),
        "CLIENTS_BIND": f"127.0.0.1:{port}",
        "OWN_BIND": str(paths.data / "own.sock"),
        "ADMIN_SOCKET": str(paths.admin_socket),
        "SLOTS_MAP": str(paths.slots),
        # It says the same on standard error.
        "BALANCER_LOG": "emerg",
    }
    command = [haproxy, "-db", "-f", str(paths.haproxy)]
    return Program("haproxy", command, own, "haproxy", 4, stop_seconds=2)
