"""Runs cells here without containers, each with a server, a gateway and two workers."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from typing import TYPE_CHECKING

from shared.processes.stop_signals import StopSignals
from tools import server
from tools.api import Api
from tools.cells import plan
from tools.cells.haproxy import configuration, slots_file
from tools.cells.slot_map import MapError, spans
from tools.run import checks
from tools.run.catalog import write_catalog
from tools.run.output import Output
from tools.run.service import READY_SECONDS, answers, index, prepare, serve, supervised

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from gateway.cells.hash_slots import SlotMap
    from tools.cells.plan import Cell, CellsPaths
    from tools.run.service import Stage


def run(count: int, environment: Mapping[str, str]) -> int:
    """Return the exit code: 0 after a signal, 1 if the start failed. Raises `NotStartedError`."""
    paths = plan.paths_of(environment)
    haproxy = shutil.which("haproxy", path=environment.get("PATH"))
    if haproxy is None:
        raise checks.NotStartedError("HAProxy 2.6 or newer is needed: apt-get install haproxy")
    if checks.check_settings(environment).processes > plan.PRESENCE_PORTS:
        raise checks.NotStartedError(f"GATEWAY_PROCESSES may be {plan.PRESENCE_PORTS} at most here")
    try:
        port, cells = plan.port_of(environment), plan.cells_of(count, paths, environment)
        lock = checks.take_lock(paths)
    except ValueError as error:
        raise checks.NotStartedError(str(error)) from None
    with lock:
        plan.check_ports(port, cells)
        try:
            binary = server.locate(environment)
            slots = plan.current_map(paths, cells)
        except (server.ServerError, MapError) as error:
            raise checks.NotStartedError(str(error)) from None
        paths.haproxy.write_text(configuration(slots))
        paths.slots.write_text(slots_file(slots))
        catalog = write_catalog(paths, plan.environment_of(cells[0], paths, environment))
        processes = [
            *(
                program
                for cell in cells
                for program in plan.programs_of(binary, cell, paths, {**environment, **catalog})
            ),
            plan.balancer(haproxy, port, paths, environment),
        ]
        signals = StopSignals(signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        form = environment.get("LOG_FORMAT", "console" if sys.stdout.isatty() else "json")
        output = Output(readable=form == "console")
        prepare(processes, paths, output)
        with supervised(paths, output, signals) as supervisor:
            shown = usage(port, paths, cells, slots)
            order, seconds = stages(port, cells), READY_SECONDS * len(cells)
            return serve(supervisor, signals, output, order, shown, seconds=seconds)


def stages(port: int, cells: Sequence[Cell]) -> Iterator[Stage]:
    """Yield what must be ready one after the other."""
    for cell in cells:
        yield from cell_stages(cell)
    yield "HAProxy", Api(f"http://127.0.0.1:{port}").is_ready


def cell_stages(cell: Cell) -> Iterable[Stage]:
    """Return what must be ready of one cell."""
    ready = [cell.paths.ready(name) for name in plan.WORKERS]
    return (
        (f"the server of cell {cell.name}", lambda: answers(f"{cell.store_url}/ping")),
        (f"the store of cell {cell.name}", lambda: index(cell.paths)),
        (f"the gateway of cell {cell.name}", Api(cell.url).is_ready),
        (f"the workers of cell {cell.name}", lambda: all(file.exists() for file in ready)),
    )


def usage(port: int, paths: CellsPaths, cells: Sequence[Cell], slots: SlotMap) -> str:
    """Return what runs where, and how to use it."""
    data = os.path.relpath(paths.data)
    rows = "\n".join(
        f"  cell {cell.name}: gateway {cell.url}, store {data}/{cell.name}/resonate.db,"
        f" hash slots {spans(slots, cell.name) or 'none'}"
        for cell in cells
    )
    return f"""
Ready: http://localhost:{port}      Ctrl-C stops everything and keeps the data in {data}

{rows}

  curl -X POST "http://localhost:{port}/begin?id=job-001" \\
       -H "Content-Type: application/json" -d '{{"foo": "hello"}}'
  curl "http://localhost:{port}/wait?id=job-001"

Which cell owns which hash slot, and a move of one while all of this goes on:

  .venv/bin/python -m tools.cells show
  .venv/bin/python -m tools.cells move --slot 7 --to {cells[-1].name}
"""
