"""Signals as events, for processes whose main thread waits for other threads."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, Final

from shared.processes.forks import keep_private, receive_signals

if TYPE_CHECKING:
    import signal

ONE_REQUEST_SECONDS: Final = 0.5
"""Seconds in which several signals count as one: a closing terminal may send more than one."""


class StopSignals:
    """Receives signals in a thread: the first sets `stop`, a later one `hurry`.

    Build it in the main thread. Children of this process end at these signals as usual.
    """

    def __init__(self, *numbers: signal.Signals) -> None:
        self.stop = threading.Event()
        self.hurry = threading.Event()
        self._numbers = frozenset(numbers)
        # No signal handler sets the events: it would interrupt the main thread, and setting an
        # event there can wait for a lock that the interrupted code holds.
        self._received, self._wakeup = socket.socketpair()
        self._wakeup.setblocking(False)  # noqa: FBT003 - the only parameter
        keep_private(self._received)
        keep_private(self._wakeup)
        receive_signals(self._numbers, self._wakeup)
        threading.Thread(target=self._receive, name="signals", daemon=True).start()

    def _receive(self) -> None:
        self._wait()
        self.stop.set()
        first = time.monotonic()
        while time.monotonic() - first < ONE_REQUEST_SECONDS:
            self._wait()
        self.hurry.set()

    def _wait(self) -> None:
        """Wait for one of the signals; others are received too if the process handles them."""
        while self._received.recv(1)[0] not in self._numbers:
            pass
