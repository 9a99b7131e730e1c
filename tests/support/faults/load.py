"""Executions that are begun beside what a test does."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.stack import Stack


@contextlib.contextmanager
def begins(stack: Stack, job: str, rate: float) -> Iterator[list[str]]:
    """Begin so many executions a second until the block ends; yield their ids."""
    ids: list[str] = []
    over = threading.Event()

    def run() -> None:
        began = time.monotonic()
        for number in itertools.count():
            if over.wait(max(0.0, began + number / rate - time.monotonic())):
                return
            id = f"{job}-load-{number}"
            if stack.begin(id).status == 202:
                ids.append(id)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield ids
    finally:
        over.set()
        thread.join()
