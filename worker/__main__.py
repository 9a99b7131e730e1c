"""Run one worker until SIGTERM or SIGINT; a second signal ends it without waiting for its work."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

from shared.allocator import limit_arenas
from shared.catalog import SHIPPED
from shared.environment import SettingsError
from shared.log import configure_logging, get_logger
from shared.stop_signals import StopSignals
from worker.registry import build_registry
from worker.runtime import Worker
from worker.settings import worker_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from resonate.registry import Registry

    from shared.catalog import Catalog


def main(catalog: Catalog = SHIPPED, build: Callable[[Catalog], Registry] = build_registry) -> int:
    """Return the exit code: 0 after a signal, 1 if the worker broke, 2 for invalid settings."""
    try:
        settings = worker_settings()
    except SettingsError as error:
        for fault in error.faults:
            print(f"worker: {fault}", file=sys.stderr)  # noqa: T201 - logging is not set up yet
        return 2
    limit_arenas()
    configure_logging(settings.log, settings.name)
    signals = StopSignals(signal.SIGTERM, signal.SIGINT)
    worker = Worker(settings, build(catalog), catalog)
    worker.start()
    broken = worker.watch(signals.stop)
    if broken is not None:
        get_logger().critical("worker broken", reason=broken)
        return 1
    worker.stop(signals.hurry)
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # Executions that still run were handed back, so their threads are not waited for.
    os._exit(code)
