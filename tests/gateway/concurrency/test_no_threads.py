"""A machine that allows no further thread for a while."""

from __future__ import annotations

import asyncio
import threading

import pytest

from gateway.concurrency.threads import BoundedExecutor
from gateway.errors import Saturated


def refuse(_: threading.Thread) -> None:
    """Start no thread, as Python does where the machine refuses."""
    raise RuntimeError("can't start new thread")


async def test_calls_are_refused_while_there_is_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that no thread can make is refused; when threads can be started, calls are made."""
    executor = BoundedExecutor(2, 0, 5)
    with monkeypatch.context() as machine:
        machine.setattr(threading.Thread, "start", refuse)
        for _ in range(3):
            with pytest.raises(Saturated):
                await executor.run(int)

    assert await executor.run(int, "7") == 7
    executor.close()


async def test_the_threads_that_there_are_make_all_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a second thread cannot be started the first one makes the calls, until it can."""
    both = threading.Barrier(2)
    executor = BoundedExecutor(2, 8, 5)
    await executor.run(int)
    with monkeypatch.context() as machine:
        machine.setattr(threading.Thread, "start", refuse)
        made = await asyncio.gather(*(executor.run(int, str(n)) for n in range(5)))

    assert made == [0, 1, 2, 3, 4]
    await asyncio.gather(*(executor.run(both.wait, 4) for _ in range(2)))
    executor.close()
