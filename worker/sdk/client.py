"""The life of one client of the SDK: its start, its threads and its end."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from worker.sdk.patches import SdkThreads, prepare

if TYPE_CHECKING:
    from collections.abc import Callable

    import resonate


class SdkClient:
    """Starts and stops a client. A client that is retired gets no more work."""

    def __init__(self, client: resonate.Resonate) -> None:
        self._client = client
        self._threads: SdkThreads | None = None
        self._lock = threading.Lock()
        self._stopping = False
        self._stopped = threading.Event()
        self.retired = threading.Event()

    def start(self) -> None:
        prepare(self._client)
        self._client.start()
        self._threads = SdkThreads(self._client)

    def dead_thread(self) -> str | None:
        """Return which thread has ended although the client is in use, or None."""
        dead = None if self._threads is None else self._threads.dead()
        return None if self.retired.is_set() else dead

    def end_execution(self, error: BaseException) -> None:
        """End running steps with an error and delay no attempt, so that the body gets it soon."""
        if self._threads is not None:
            self._threads.end_steps(error)

    def forget_executions(self) -> None:
        """Free the memory of executions that have ended, as the task of the last one completes."""
        if self._threads is not None:
            self._threads.forget_executions()

    def stop_soon(self, afterwards: Callable[[], None] | None = None) -> None:
        """End the client's threads, one of which may call this, and then call `afterwards`."""
        with self._lock:
            if self._stopping:
                return
            self._stopping = True
        self.retired.set()
        threading.Thread(target=self._stop, args=(afterwards,), name="closing", daemon=True).start()

    def _stop(self, afterwards: Callable[[], None] | None) -> None:
        self._stopped.set()
        self._client.stop()
        if afterwards is not None:
            afterwards()

    def wait_stopped(self) -> None:
        """Wait until the client is to stop; its `stop()` waits for those who wait here."""
        self._stopped.wait()
