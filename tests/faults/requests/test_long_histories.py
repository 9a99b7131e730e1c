"""Executions with very many steps: reading them leaves the server to others."""

from __future__ import annotations

import contextlib
import statistics
import threading
import time
import urllib.request
from typing import TYPE_CHECKING

import pytest

from tests.support.filled_store import copy_execution
from tests.support.stack import running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.stack import Stack

STEPS = 20_000
EXECUTIONS = 4
READERS = 12
BEGINS = 20


@pytest.fixture(name="long_lived", scope="module")
def _long_lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Yield a service where each of `long-0`, `long-1` and so on has very many steps."""
    with running_stack(tmp_path_factory.mktemp("long"), workers=1) as stack:
        for number in range(EXECUTIONS):
            id = f"long-{number}"
            stack.begin(id, "approval", {"within": "1h"})
            stack.suspended(id)
            copy_execution(stack.server.database, f"{id}.1", f"{id}.9", STEPS)
        yield stack


def median_begin(stack: Stack, job: str) -> float:
    """Begin executions one after the other; return the median of their seconds."""
    taken = []
    for number in range(BEGINS):
        began = time.monotonic()
        assert stack.begin(f"{job}-{number}").status == 202
        taken.append(time.monotonic() - began)
    return statistics.median(taken)


@contextlib.contextmanager
def readers(stack: Stack, target: str) -> Iterator[None]:
    """Ask for each long execution again and again until the block ends; all have begun before."""
    over, begun = threading.Event(), threading.Barrier(READERS + 1)

    def read(number: int) -> None:
        begun.wait(10)
        while not over.is_set():
            url = stack.url + target.format(f"long-{number % EXECUTIONS}")
            with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2) as answer:
                answer.read(1)

    threads = [threading.Thread(target=read, args=(number,)) for number in range(READERS)]
    for thread in threads:
        thread.start()
    begun.wait(10)
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("target", ["/wait?id={}", "/events?id={}"])
def test_readers_of_long_histories_leave_room(long_lived: Stack, job: str, target: str) -> None:
    """Begins beside clients that poll and stream without a pause are all accepted, and soon."""
    alone = median_begin(long_lived, f"{job}-alone")
    with readers(long_lived, target):
        beside = median_begin(long_lived, f"{job}-beside")

    assert beside < 10 * alone
