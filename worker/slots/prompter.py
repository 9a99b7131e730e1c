"""Has the server offer at once what has just become due.

The server looks for tasks that are due when it gets a call, and else only every 25 ms
(`signalTimeout` in its configuration). The end of a child is the last call that its worker makes
for it, so without another one the execution that waits for the child would go on a turn later:

1. `job-1.1` ends. In the same write the server makes a task that resumes `job-1`.
2. The worker makes a call that does nothing. The server takes a turn and offers the task.

A server that is called often takes its turns anyway. So the worker does without this call if it has
begun another one within a millisecond, and makes one at a time, for all ends since the one before.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from shared.log import get_logger
from shared.resonate.transport import Refused, Unanswered

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.resonate.tasks import Tasks

QUIET_SECONDS: Final = 0.001
"""Seconds after an end in which any other call of the worker makes this one unnecessary."""


class Prompter:
    """Prompts the server from a thread of its own. `tasks` should answer or fail fast.

    `calls` returns how many calls the worker has begun, without those that are made here.

    Nothing depends on it: what the server is not prompted for it finds at its next turn.
    """

    def __init__(self, tasks: Tasks, calls: Callable[[], int]) -> None:
        self._tasks = tasks
        self._calls = calls
        self._calls_before = 0
        self._wanted = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prompter", daemon=True)
        self._log = get_logger()

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        self._wanted.set()

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def prompt(self) -> None:
        """Have the server take a turn after all that it has answered so far. Returns at once."""
        self._calls_before = self._calls()
        self._wanted.set()

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            # Cleared before the call: what ends during the call may be too late for this turn.
            self._wanted.clear()
            if self._closed.wait(QUIET_SECONDS):
                return
            if self._calls() != self._calls_before:
                continue
            try:
                self._tasks.prompt()
            except (Refused, Unanswered) as error:
                self._log.debug("server not prompted", reason=str(error))
