"""Run one worker until SIGTERM or SIGINT; a second signal ends it without waiting for its work."""

from __future__ import annotations

import os
import signal
import sys
import threading

from shared.log import configure_logging, get_logger
from shared.settings import SettingsError, worker_settings
from worker.registry import build_registry
from worker.runtime import Worker


def main() -> int:
    """Return the exit code: 0 after a signal, 1 when the worker found itself broken, 2 if unfit."""
    try:
        settings = worker_settings()
    except SettingsError as error:
        for fault in error.faults:
            print(f"worker: {fault}", file=sys.stderr)  # noqa: T201 - logging is not set up yet
        return 2
    configure_logging(settings.log, settings.name)
    stop, hurry = threading.Event(), threading.Event()

    def on_signal(_number: int, _frame: object) -> None:
        (hurry if stop.is_set() else stop).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    worker = Worker(settings, build_registry())
    worker.start()
    broken = worker.watch(stop)
    if broken is not None:
        get_logger().critical("worker broken", reason=broken)
        return 1
    worker.stop(hurry)
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # Steps that are still running were handed back; waiting for their threads would help nobody.
    os._exit(code)
