"""Starts workers again that have ended, as `make run` and containers do."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.stack import Stack


@contextlib.contextmanager
def supervised(stack: Stack) -> Iterator[list[str]]:
    """Start each worker again when it has ended; yield the names of those that had, in order."""
    ended: list[str] = []
    over = threading.Event()

    def supervise() -> None:
        while not over.wait(0.1):
            for name, worker in stack.workers.items():
                if not worker.running():
                    ended.append(name)
                    worker.start()

    thread = threading.Thread(target=supervise)
    thread.start()
    try:
        yield ended
    finally:
        over.set()
        thread.join()
