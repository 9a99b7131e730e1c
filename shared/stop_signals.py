"""Signals as events, for processes whose main thread waits for other threads."""

from __future__ import annotations

import signal
import threading
import time
from typing import Final

ONE_REQUEST_SECONDS: Final = 0.5
"""A terminal that closes may send several signals for one and the same reason."""


class StopSignals:
    """`stop` is set by the first of the signals, `hurry` by another one that comes later.

    A thread receives them: a handler would run in the main thread, wherever that is, and setting
    an event there can wait for a lock that the interrupted code holds. Build it before any thread
    is started, or that thread may take the signals; children inherit that they are blocked.
    """

    def __init__(self, *numbers: signal.Signals) -> None:
        self.stop = threading.Event()
        self.hurry = threading.Event()
        self._numbers = frozenset(numbers)
        signal.pthread_sigmask(signal.SIG_BLOCK, self._numbers)
        threading.Thread(target=self._receive, name="signals", daemon=True).start()

    def _receive(self) -> None:
        signal.sigwait(self._numbers)
        self.stop.set()
        first = time.monotonic()
        while time.monotonic() - first < ONE_REQUEST_SECONDS:
            signal.sigwait(self._numbers)
        self.hurry.set()
