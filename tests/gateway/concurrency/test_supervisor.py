"""A machine that has no room for another process for a while."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

from gateway.concurrency.processes import Command, Supervisor

if TYPE_CHECKING:
    import pytest


async def test_a_start_that_fails_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that cannot be started now ends no other, and is started later."""
    started: list[asyncio.subprocess.Process] = []
    start, tries, both = asyncio.create_subprocess_exec, 0, asyncio.Event()

    async def start_unless_second(*command: str, **options: object) -> asyncio.subprocess.Process:
        nonlocal tries
        tries += 1
        if tries == 2:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        started.append(await start(*command, **options))  # type: ignore[arg-type]
        if len(started) == 2:
            both.set()
        return started[-1]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", start_unless_second)
    command = Command(["-c", "import sys; sys.stdin.read()"], os.environ)
    running = asyncio.create_task(Supervisor(command, "g", 2, 5).run())
    await asyncio.wait_for(both.wait(), 20)
    assert not running.done()

    assert started[0].returncode is None
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(running, 20)
    assert [process.returncode for process in started] == [-signal.SIGTERM] * 2
