"""Run one gateway until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

import uvloop
from aiohttp import web

from gateway.app import create_app
from gateway.http.server import BACKLOG, Runner
from gateway.process import allow_many_connections, collect_when_quiet
from gateway.settings import gateway_settings
from shared.allocator import limit_arenas
from shared.catalog import SHIPPED
from shared.environment import SettingsError
from shared.log import configure_logging, get_logger

if TYPE_CHECKING:
    from gateway.settings import GatewaySettings
    from shared.catalog import Catalog


async def serve(settings: GatewaySettings, catalog: Catalog) -> int:
    """Serve until a signal comes, then let requests finish. Returns the exit code."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    runner = Runner(create_app(settings, catalog=catalog), settings)
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
        await stop.wait()
        collecting.cancel()
        log.info("draining")
    finally:
        await runner.cleanup()
    log.info("gateway stopped")
    return 0


def main(catalog: Catalog = SHIPPED) -> int:
    """Serve the functions of a catalog. Returns the exit code.

    0 after a signal, 1 when the port is taken, 2 when the settings are wrong.
    """
    try:
        settings = gateway_settings()
    except SettingsError as error:
        for fault in error.faults:
            print(f"gateway: {fault}", file=sys.stderr)  # noqa: T201 - logging is not set up yet
        return 2
    configure_logging(settings.log, os.environ.get("GATEWAY_NAME", "gateway"))
    limit_arenas()
    allow_many_connections()
    return uvloop.run(serve(settings, catalog))


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # A thread may still wait for a dead server; leave without waiting for that thread.
    os._exit(code)
