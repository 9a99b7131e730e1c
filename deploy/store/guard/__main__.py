"""Holds the lock, runs the server, and ends with it."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Final

from deploy.store.guard.lock import Lock
from deploy.store.guard.pulse import HUNG_SECONDS, Pulse
from deploy.store.guard.scrapes import waiting_scrapes
from deploy.store.guard.server_settings import GuardError
from deploy.store.guard.settings import guard_settings

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Coroutine, Sequence
    from pathlib import Path

    from deploy.store.guard.settings import GuardSettings

ALIVE_SECONDS: Final = 1.0
"""Seconds between two touches of the alive file."""

STOP_SECONDS: Final = 2.0
"""Seconds that the server has to stop. One with tasks that it cannot send never does, and killing
it is safe for the store."""

REFUSED_SECONDS: Final = 5.0
"""Seconds after its start in which a server ends whose role still has the connection of another."""

REFUSED_PAUSE: Final = 0.1
MOST_REFUSED: Final = 100
"""Pause before the next attempt, and attempts: PostgreSQL frees a connection after 5 s at most."""

FORMAT: Final = 'time=%(asctime)s level=%(levelname)s source=guard msg="%(message)s"'

log = logging.getLogger("guard")


async def guarded(settings: GuardSettings) -> int:
    """Run one server while this guard has the lock; return the exit code."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    lock, alive = Lock(settings), asyncio.ensure_future(_stay_alive(settings.alive_file))
    try:
        while True:
            async with waiting_scrapes(settings.metrics_listener, lock):
                await _first(stop.wait(), lock.acquire())
            code = await _serve_with(settings, lock, stop)
            # Without the lock it waits for it again, as the spare.
            if stop.is_set() or lock.is_held:
                return 0 if stop.is_set() else code
    finally:
        alive.cancel()
        await lock.release()


async def _serve_with(settings: GuardSettings, lock: Lock, stop: asyncio.Event) -> int:
    """Run a server, again while PostgreSQL refuses it for the connection of a former one."""
    code = 0
    for _ in range(MOST_REFUSED):
        if stop.is_set() or not lock.is_held:
            break
        began = time.monotonic()
        code = await _serve(settings, lock, stop)
        if time.monotonic() - began > REFUSED_SECONDS:
            break
        await _first(stop.wait(), asyncio.sleep(REFUSED_PAUSE))
    return code


async def _serve(settings: GuardSettings, lock: Lock, stop: asyncio.Event) -> int:
    """Run a server until it ends, hangs or is cut off, is to stop, or the lock is lost."""
    lock.expect_server()
    server = await asyncio.create_subprocess_exec(
        *settings.command(), env=settings.server_environment(), preexec_fn=_end_with_parent
    )
    log.info("server started")
    pulse = Pulse(settings.api, settings.metrics)
    try:
        while lock.is_held and server.returncode is None and not stop.is_set():
            if pulse.is_lost or lock.is_server_cut:
                break
            await _first(stop.wait(), server.wait(), lock.kept(), pulse.lost())
        if server.returncode is not None:
            log.error("the server has ended with code %s", server.returncode)
        elif pulse.is_lost:
            log.error("the server hangs: it has shown no life for %g s; it is killed", HUNG_SECONDS)
            server.kill()
        elif lock.is_server_cut:
            log.error("the server has no connection to PostgreSQL, which answers; it is killed")
            server.kill()
        elif not lock.is_held:
            log.error("the lock is lost; this server is ended")
        return server.returncode or 1
    finally:
        await _stop(server)


async def _stop(server: Process) -> None:
    if server.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        server.terminate()
        try:
            await asyncio.wait_for(server.wait(), STOP_SECONDS)
        except TimeoutError:
            server.kill()
    await server.wait()


async def _first(*coroutines: Coroutine[object, object, object]) -> None:
    """Return once one of these has ended; the others are canceled. Raises what it raises."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    for task in done:
        task.result()


async def _stay_alive(file: Path | None) -> None:
    while file is not None:
        try:
            await asyncio.to_thread(file.touch)
        except OSError as error:
            log.error("GUARD_ALIVE_FILE cannot be written: %s", error)  # noqa: TRY400 - words
        await asyncio.sleep(ALIVE_SECONDS)


def _end_with_parent() -> None:
    """Have the kernel end the server with its guard, whose lock would be free (Linux)."""
    if sys.platform == "linux":
        set_parent_death_signal = 1  # PR_SET_PDEATHSIG of linux/prctl.h
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


def main(arguments: Sequence[str]) -> int:
    """Return 0 after a signal, 1 if the server has ended, 2 if something is set up wrongly."""
    logging.basicConfig(level=logging.INFO, format=FORMAT, datefmt="%Y-%m-%dT%H:%M:%S%z")
    try:
        return asyncio.run(guarded(guard_settings(os.environ, arguments)))
    except GuardError as error:
        log.error("%s", error)  # noqa: TRY400 - words, not where they come from
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
