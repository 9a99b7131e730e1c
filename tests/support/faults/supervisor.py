"""Starts workers again that have ended, as `make run` and containers do."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.stack import Stack

PERIOD_SECONDS = 0.1


@dataclass(frozen=True)
class Ended:
    """The end of a worker's process: its exit code, when it was seen, and what it then logged.

    `log` is the size of the worker's log at that time.
    """

    name: str
    code: int
    at: float
    log: int


class Supervisor:
    """Workers that had ended by themselves, in order; each was started again."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._lock = threading.Lock()
        self._left_alone: Counter[str] = Counter()
        self._over = threading.Event()
        self.ended: list[Ended] = []

    @property
    def names(self) -> list[str]:
        """The names of the workers that had ended."""
        return [each.name for each in self.ended]

    @contextlib.contextmanager
    def leaving(self, name: str) -> Iterator[None]:
        """Leave a worker to the block, which ends and starts it."""
        with self._lock:
            self._left_alone[name] += 1
        try:
            yield
        finally:
            with self._lock:
                self._left_alone[name] -= 1

    def supervise(self) -> None:
        """Look after the workers until the end."""
        while not self._over.wait(PERIOD_SECONDS):
            for name, worker in self._stack.workers.items():
                with self._lock:
                    if self._left_alone[name] or worker.running():
                        continue
                    assert worker.child is not None
                    size = worker.log.stat().st_size
                    self.ended.append(Ended(name, worker.child.returncode, time.time(), size))
                    worker.start()

    def end(self) -> None:
        self._over.set()


@contextlib.contextmanager
def supervised(stack: Stack) -> Iterator[Supervisor]:
    """Start each worker again when it has ended, until the block ends."""
    supervisor = Supervisor(stack)
    thread = threading.Thread(target=supervisor.supervise)
    thread.start()
    try:
        yield supervisor
    finally:
        supervisor.end()
        thread.join()
