"""Signals as events, for processes whose main thread waits for other threads."""

from __future__ import annotations

import signal
import threading
import time
from typing import Final

ONE_REQUEST_SECONDS: Final = 0.5
"""Seconds in which several signals count as one: a closing terminal may send more than one."""


class StopSignals:
    """Blocks signals and receives them in a thread: the first sets `stop`, a later one `hurry`.

    Build it before any other thread starts, because such a thread could receive the signals.
    Child processes inherit the blocked signals.
    """

    def __init__(self, *numbers: signal.Signals) -> None:
        self.stop = threading.Event()
        self.hurry = threading.Event()
        self._numbers = frozenset(numbers)
        # No signal handler: it would interrupt the main thread, and setting an event there can wait
        # for a lock that the interrupted code holds.
        signal.pthread_sigmask(signal.SIG_BLOCK, self._numbers)
        threading.Thread(target=self._receive, name="signals", daemon=True).start()

    def _receive(self) -> None:
        signal.sigwait(self._numbers)
        self.stop.set()
        first = time.monotonic()
        while time.monotonic() - first < ONE_REQUEST_SECONDS:
            signal.sigwait(self._numbers)
        self.hurry.set()
