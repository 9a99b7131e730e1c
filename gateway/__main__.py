"""Run one gateway until SIGTERM or SIGINT; SIGHUP has it read its catalog again."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

import uvloop
from aiohttp import web

from gateway.api.keys import CATALOG
from gateway.app import create_app
from gateway.catalog.file import CatalogFault, CatalogFile
from gateway.catalog.watch import CatalogWatch
from gateway.concurrency.garbage import collect_when_quiet
from gateway.http.connection_limit import allow_many_connections
from gateway.http.server import BACKLOG, Runner
from gateway.settings import read_gateway
from shared.allocator import limit_arenas
from shared.environment import EnvironmentReader, SettingsError
from shared.log import configure_logging, get_logger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.inputs.served_catalog import ServedCatalog
    from gateway.settings import GatewaySettings


async def serve(settings: GatewaySettings, file: CatalogFile, catalog: ServedCatalog) -> int:
    """Serve until a signal comes, then let requests finish. Returns the exit code."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    app = create_app(settings, catalog)
    watch = CatalogWatch(file, app[CATALOG])
    loop.add_signal_handler(signal.SIGHUP, watch.look_now)
    runner = Runner(app, settings)
    log = get_logger()
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, settings.host, settings.port, backlog=BACKLOG).start()
        except OSError as error:
            log.critical("not started", reason=f"port {settings.port}: {error.strerror}")
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
        log.info("draining")
    finally:
        await runner.cleanup()
    log.info("gateway stopped")
    return 0


def configured(
    environment: Mapping[str, str],
) -> tuple[GatewaySettings, CatalogFile, ServedCatalog]:
    """Return the settings and the catalog. Raises `SettingsError` with every fault of both."""
    read = EnvironmentReader(environment)
    settings = read_gateway(read)
    file = CatalogFile(settings)
    try:
        catalog = file.read()
    except CatalogFault as error:
        raise SettingsError([*read.faults, str(error)]) from error
    read.finish()
    return settings, file, catalog


def main() -> int:
    """Return the exit code: 0 after a signal, 1 when the port is taken, 2 for wrong settings."""
    try:
        settings, file, catalog = configured(os.environ)
    except SettingsError as error:
        for fault in error.faults:
            print(f"gateway: {fault}", file=sys.stderr)  # noqa: T201 - logging is not set up yet
        return 2
    configure_logging(settings.log, os.environ.get("GATEWAY_NAME", "gateway"))
    limit_arenas()
    allow_many_connections()
    return uvloop.run(serve(settings, file, catalog))


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # A thread may still wait for a dead server; leave without waiting for that thread.
    os._exit(code)
