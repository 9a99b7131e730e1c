"""Starts the service, waits until it is ready, and ends all processes on a signal."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

from shared.processes.stop_signals import StopSignals
from tools import server
from tools.api import Api
from tools.run import checks
from tools.run.catalog import write_catalog
from tools.run.output import Output
from tools.run.plan import (
    WORKERS,
    DataPaths,
    Ports,
    data_directory,
    own_environment,
    programs,
)
from tools.run.service import answers, index, prepare, serve, supervised
from tools.run.usage import usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tools.run.service import Stage


def run(environment: Mapping[str, str]) -> int:
    """Return the exit code: 0 after a signal, 1 if the start failed or the supervisor ended."""
    paths = DataPaths(data_directory(environment))
    try:
        ports = Ports.of(environment)
        settings = checks.check_settings(environment)
        lock = checks.take_lock(paths)
    except ValueError as error:
        raise checks.NotStartedError(str(error)) from None
    with lock:
        checks.check_ports(ports)
        chosen = environment.get("GATEWAY_PRESENCE_PORT", "").strip()
        presence_port = checks.presence_port(ports, settings, is_chosen=bool(chosen))
        try:
            binary = server.locate(environment)
        except server.ServerError as error:
            raise checks.NotStartedError(str(error)) from None
        signals = StopSignals(signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        terminal = sys.stdout.isatty()
        output = Output(
            readable=environment.get("LOG_FORMAT", "console" if terminal else "json") == "console"
        )
        own = own_environment(ports, presence_port, environment)
        own |= write_catalog(paths, own)
        processes = programs(binary, ports, paths, own)
        for name in WORKERS:
            paths.ready(name).unlink(missing_ok=True)
        prepare(processes, paths, output)
        with supervised(paths, output, signals) as supervisor:
            shown = usage(ports.gateway, paths.data, own)
            return serve(supervisor, signals, output, stages(ports, paths), shown)


def stages(ports: Ports, paths: DataPaths) -> Iterable[Stage]:
    """Return what must be ready one after the other."""
    return (
        ("the server", lambda: answers(f"http://127.0.0.1:{ports.store}/ping")),
        ("the store", lambda: index(paths)),
        ("the gateway", Api(f"http://127.0.0.1:{ports.gateway}").is_ready),
        ("the workers", lambda: all(paths.ready(name).exists() for name in WORKERS)),
    )


def main() -> int:
    """Return the exit code; each fault is a line on standard error."""
    try:
        return run(os.environ)
    except checks.NotStartedError as error:
        for fault in error.faults:
            server.report(f"run: {fault}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
