"""Run one worker until SIGTERM or SIGINT; a second signal ends it without waiting for its work.

`python -m worker catalog` writes the manifest of its functions to standard output instead.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Final

from durable_http.declarations.loading import load
from durable_http.declarations.manifest import manifest
from durable_http.errors import DeclarationError
from shared.environment import SettingsError
from shared.log import configure_logging, get_logger
from shared.processes.allocator import limit_arenas
from shared.processes.stop_signals import StopSignals
from shared.telemetry.tracing import start_tracing
from worker.registry import SHIPPED_DEFAULT, Functions
from worker.runtime import Worker
from worker.settings import SHIPPED_MODULES, worker_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.settings import WorkerSettings

STDOUT: Final = 1
STDERR: Final = 2
"""File descriptors."""

USAGE = "worker: usage: python -m worker [catalog]"


def main(arguments: Sequence[str] = ()) -> int:
    """Return the exit code: 0 after a signal, 1 if the worker broke, 2 for invalid settings."""
    if list(arguments) not in ([], ["catalog"]):
        return _refuse([USAGE])
    try:
        settings = worker_settings()
    except SettingsError as error:
        return _refuse([f"worker: {fault}" for fault in error.faults])
    limit_arenas()
    if not arguments:
        configure_logging(settings.log, settings.name, worker=settings.name)
    try:
        if arguments:
            return _write_catalog(settings)
        functions = Functions(load(settings.functions))
    except DeclarationError as error:
        return _refuse([f"worker: WORKER_FUNCTIONS: {error}"])
    return _run(settings, functions)


def _refuse(lines: Sequence[str]) -> int:
    for line in lines:
        print(line, file=sys.stderr)  # noqa: T201 - logging may not be set up yet
    return 2


def _write_catalog(settings: WorkerSettings) -> int:
    # A module, its threads and its processes may print, but standard output is the manifest alone.
    output = os.dup(STDOUT)
    os.dup2(STDERR, STDOUT)
    text = manifest(
        Functions(load(settings.functions)).definitions,
        default=SHIPPED_DEFAULT if settings.functions == SHIPPED_MODULES else None,
        step_timeout_seconds=settings.step_timeout_seconds or None,
        max_result_bytes=settings.max_result_bytes,
    )
    try:
        with os.fdopen(output, "wb") as file:
            file.write(text)
    except OSError as error:
        return _refuse([f"worker: the catalog cannot be written: {error.strerror}"])
    return 0


def _run(settings: WorkerSettings, functions: Functions) -> int:
    signals = StopSignals(signal.SIGTERM, signal.SIGINT)
    traces = start_tracing("worker", settings.name)
    worker = Worker(settings, functions)
    worker.start()
    broken = worker.watch(signals.stop)
    if broken is not None:
        get_logger().critical("worker broken", reason=broken)
    else:
        worker.stop(signals.hurry)
    traces.close()
    return 0 if broken is None else 1


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    # Executions that still run were handed back, so their threads are not waited for.
    os._exit(code)
