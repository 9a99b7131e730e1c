"""Several processes that share one port, and the one that keeps them running.

The kernel gives each new connection to one of the processes that listen on a port with
`SO_REUSEPORT`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shared.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 10.0
"""Seconds before a process that has ended is replaced: doubled each time, up to the longest."""

STEADY_SECONDS: Final = 60.0
"""Seconds for which a process has run when the pause is the first one again."""

LATE_SECONDS: Final = 3.0
"""Seconds after the time for a drain at which processes that have not ended are killed."""


class PortTaken(Exception):
    """The port cannot be shared, for the reason in the message."""


@contextlib.contextmanager
def shared_port(host: str, port: int) -> Iterator[int]:
    """Hold a port for processes that will share it, and yield it; port 0 takes a free one.

    Raises `PortTaken` if somebody uses it, also if they share it among themselves.
    """
    with contextlib.ExitStack() as held:
        try:
            found = socket.getaddrinfo(
                host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
            for family, *_, address in dict.fromkeys(found):
                name = str(address[0])
                with _bound(family, (name, port), socket.SO_REUSEADDR) as alone:
                    port = alone.getsockname()[1]
                held.enter_context(_held(family, (name, port)))
        except OSError as error:
            raise PortTaken(f"port {port}: {error.strerror}") from error
        yield port


def require_free(host: str, ports: Iterable[int]) -> None:
    """Raise `PortTaken` if somebody uses one of these ports."""
    for port in ports:
        with shared_port(host, port):
            pass


def _held(family: int, address: tuple[str, int]) -> socket.socket:
    try:
        # With SO_REUSEADDR others could bind the port, and listen, before our processes listen.
        return _bound(family, address, socket.SO_REUSEPORT)
    except OSError:
        # Connections of a gateway that did not share the port have ended a moment ago.
        return _bound(family, address, socket.SO_REUSEADDR, socket.SO_REUSEPORT)


def _bound(family: int, address: tuple[str, int], *options: int) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        for option in options:
            made.setsockopt(socket.SOL_SOCKET, option, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
    except OSError:
        made.close()
        raise
    return made


@dataclass(frozen=True)
class Command:
    """What each process runs, with its number as one argument more, and its environment."""

    arguments: Sequence[str]
    environment: Mapping[str, str]

    async def start(self, name: str, number: int) -> asyncio.subprocess.Process:
        """Start a process, whose standard input ends when this one does."""
        # SIGHUP would end a process that has no handler yet, so the process itself lets it in.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
        try:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                *self.arguments,
                str(number),
                env={**self.environment, "GATEWAY_NAME": name},
                stdin=asyncio.subprocess.PIPE,
            )
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})


class Supervisor:
    """Keeps processes running: one that ends is replaced after a pause.

    SIGTERM and SIGINT stop all of them, and SIGHUP is passed on. Each may take `drain` seconds for
    its end, and is killed a little later.
    """

    def __init__(self, command: Command, name: str, count: int, drain: float) -> None:
        self._command = command
        self._parts = [(f"{name}-{number}", number) for number in range(1, count + 1)]
        self._drain = drain
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._stop = asyncio.Event()
        self._log = get_logger()

    async def run(self) -> None:
        """Return once a signal has come and all processes have ended."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._send, signal.SIGHUP)
        async with asyncio.TaskGroup() as keeping:
            for part in self._parts:
                keeping.create_task(self._keep(*part))
            await self._stop.wait()
            self._send(signal.SIGTERM)
            loop.call_later(self._drain + LATE_SECONDS, self._send, signal.SIGKILL)

    async def _keep(self, name: str, number: int) -> None:
        pause = FIRST_PAUSE
        while not self._stop.is_set():
            began = time.monotonic()
            code = await self._run(name, number)
            if self._stop.is_set():
                return
            if time.monotonic() - began >= STEADY_SECONDS:
                pause = FIRST_PAUSE
            self._log.error("process ended", name=name, exit_code=code, pause_seconds=pause)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _run(self, name: str, number: int) -> int | None:
        """Return the exit code of a process, None if the machine has no room for it now."""
        try:
            process = self._running[name] = await self._command.start(name, number)
        except OSError as error:
            self._log.error("process not started", name=name, reason=str(error))
            return None
        if self._stop.is_set():  # too late to have been sent the signal with the others
            process.terminate()
        code = await process.wait()
        del self._running[name]
        return code

    def _send(self, number: signal.Signals) -> None:
        for process in self._running.values():
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                process.send_signal(number)


def stop_with_parent(stop: asyncio.Event) -> None:
    """Set `stop` when the process that started this one has ended, however it ended."""

    def read() -> None:
        if not os.read(sys.stdin.fileno(), 1024):
            asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
            stop.set()

    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), read)
