"""Run one gateway until SIGTERM or SIGINT; SIGHUP has it read its catalog again.

With `GATEWAY_PROCESSES` this process starts that many of its kind, which share the port, and only
keeps them running.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

import uvloop
from aiohttp import web

from gateway.api.keys import CATALOG, SCRAPES, WORKERS
from gateway.app import CELLS, DEATHS, create_app
from gateway.catalog.file import CatalogFault, CatalogFile
from gateway.catalog.watch import CatalogWatch
from gateway.cells.map_file import MapFault, MapFile
from gateway.concurrency.garbage import collect_when_quiet
from gateway.concurrency.processes import (
    Command,
    PortTaken,
    Supervisor,
    require_free,
    shared_port,
    stop_with_parent,
)
from gateway.dashboard.routes import LIVE
from gateway.environment import read_gateway
from gateway.http.connection_limit import allow_many_connections
from gateway.http.server import BACKLOG, Runner
from gateway.metrics.siblings import Siblings, sockets_directory
from gateway.presence.listener import Listener
from shared.environment import EnvironmentReader, SettingsError
from shared.log import configure_logging, get_logger
from shared.processes.allocator import limit_arenas
from shared.telemetry.tracing import start_tracing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.cells.hash_slots import SlotMap
    from gateway.concurrency.watch import Watch
    from gateway.inputs.served_catalog import ServedCatalog
    from gateway.settings import GatewaySettings


PART: Final = "part"
"""The first argument of a process that shares the port with others.

The second is the directory of the sockets by which they share their metrics, the third its number.
"""


class Part(NamedTuple):
    """A process that shares the port with others."""

    directory: str
    number: int


async def serve(configured: Configured, part: Part | None) -> int:
    """Serve until a signal comes, then let requests finish. Returns the exit code."""
    settings = configured.settings
    app = create_app(settings, configured.catalog, slots=configured.slots)
    app[LIVE].gateway = _name()
    watch, cells = CatalogWatch(configured.file, app[CATALOG]), app[CELLS]
    watches = [watch] if cells is None else [watch, cells.watch]
    stop = _stop_event(watches, is_part=part is not None)
    runner = Runner(app, settings)
    log = get_logger()
    await runner.setup()
    if part is not None:
        await app[SCRAPES].join(Siblings(part.directory, part.number, settings.processes))
    listener = Listener(settings.presence, _name(), app[WORKERS], app[DEATHS])
    try:
        if not await _listen(runner, listener, settings, reuse_port=bool(part) or None):
            return 1
        address = runner.addresses[0]
        if not settings.tokens:
            log.warning("anybody who reaches this gateway may call it; GATEWAY_TOKENS sets tokens")
        log.info("gateway started", host=address[0], port=address[1])
        collecting = asyncio.create_task(
            collect_when_quiet(lambda: len(runner.server.connections) if runner.server else 0)
        )
        async with watch.running():
            await stop.wait()
        collecting.cancel()
        listener.close()
        log.info("draining")
    finally:
        await runner.cleanup()
    log.info("gateway stopped")
    return 0


async def _listen(
    runner: Runner, listener: Listener, settings: GatewaySettings, *, reuse_port: bool | None
) -> bool:
    """Listen for clients and for workers; return whether both ports are free."""
    log = get_logger()
    try:
        await web.TCPSite(
            runner, settings.host, settings.port, backlog=BACKLOG, reuse_port=reuse_port
        ).start()
    except OSError as error:
        log.critical("not started", reason=f"port {settings.port}: {error.strerror}")
        return False
    try:
        await listener.start()
    except OSError as error:
        reason = f"port {settings.presence.port}, for workers: {error.strerror}"
        log.critical("not started", reason=reason)
        return False
    return True


def _stop_event(watches: Sequence[Watch], *, is_part: bool) -> asyncio.Event:
    """Return an event that is set at SIGTERM and SIGINT; from now on SIGHUP has `watches` look."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def look_now() -> None:
        for watch in watches:
            watch.look_now()

    loop.add_signal_handler(signal.SIGHUP, look_now)
    if is_part:
        stop_with_parent(stop)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
    return stop


class Configured(NamedTuple):
    """What a gateway begins with. It has a slot map where its settings name cells."""

    settings: GatewaySettings
    file: CatalogFile
    catalog: ServedCatalog
    slots: SlotMap | None


def configure(environment: Mapping[str, str]) -> Configured:
    """Return what a gateway begins with. Raises `SettingsError` with every fault of it."""
    read = EnvironmentReader(environment)
    settings = read_gateway(read)
    file, slots = CatalogFile(settings), None
    try:
        if settings.cells is not None:
            slots = MapFile(settings.cells.path, settings.cells.name).read()
    except MapFault as error:
        read.faults.append(str(error))
    try:
        catalog = file.read()
    except CatalogFault as error:
        raise SettingsError([*read.faults, str(error)]) from error
    read.finish()
    return Configured(settings, file, catalog, slots)


async def supervise(settings: GatewaySettings) -> int:
    """Keep the processes running until a signal comes. Returns the exit code."""
    log = get_logger()
    presence = settings.presence
    try:
        if presence.secret:
            require_free(presence.host, presence.ports)
        with shared_port(settings.host, settings.port) as port, sockets_directory() as sockets:
            environment = {**os.environ, "GATEWAY_PORT": str(port)}
            command = Command(["-m", "gateway", PART, sockets], environment)
            log.info("starting processes", count=settings.processes, port=port)
            await Supervisor(
                command, _name(), settings.processes, settings.deadlines.shutdown
            ).run()
    except PortTaken as error:
        log.critical("not started", reason=str(error))
        return 1
    return 0


def _name() -> str:
    return os.environ.get("GATEWAY_NAME", "gateway")


def main() -> int:
    """Return the exit code: 0 after a signal, 1 when the port is taken, 2 for wrong settings."""
    try:
        configured = configure(os.environ)
    except SettingsError as error:
        for fault in error.faults:
            print(f"gateway: {fault}", file=sys.stderr)  # noqa: T201 - logging is not set up yet
        return 2
    settings = configured.settings
    configure_logging(settings.log, _name())
    part = Part(sys.argv[2], int(sys.argv[3])) if sys.argv[1:2] == [PART] else None
    if part is not None:
        own = replace(settings, presence=settings.presence.of_process(part.number))
        configured = configured._replace(settings=own)
    elif settings.processes > 1:
        return asyncio.run(supervise(settings))
    limit_arenas()
    allow_many_connections()
    traces = start_tracing("gateway", _name())
    try:
        return uvloop.run(serve(configured, part))
    finally:
        traces.close()


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # A thread may still wait for a dead server; leave without waiting for that thread.
    os._exit(code)
