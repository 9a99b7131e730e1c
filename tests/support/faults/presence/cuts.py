"""A wire between two processes that can be cut."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOST: Final = "127.0.0.2"
"""Not the host of what is behind it, so that whoever is told other ports goes no way round it."""

RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER with which a connection ends by a reset."""

CHUNK: Final = 65536


class State(Enum):
    """What happens to connections, old and new."""

    WHOLE = "passed on"
    SILENT = "kept open, and nothing is passed on, no end either"
    RESET = "reset"


class Wire:
    """Passes TCP connections on to a port of this host, unless it is cut."""

    def __init__(self, upstream: int) -> None:
        self.port = 0
        self._upstream = upstream
        self._state = State.WHOLE
        self._whole = asyncio.Event()
        self._whole.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()

    def silence(self) -> None:
        """Pass nothing on from now on."""
        self._call(lambda: self._set(State.SILENT))

    def reset(self) -> None:
        """Reset all connections, and those to come."""
        self._call(lambda: self._set(State.RESET))

    def heal(self) -> None:
        """Pass on again, also what has come meanwhile."""
        self._call(lambda: self._set(State.WHOLE))

    def _call(self, what: Callable[[], None]) -> None:
        done = threading.Event()

        def run() -> None:
            what()
            done.set()

        self._loop.call_soon_threadsafe(run)
        assert done.wait(10)

    def _set(self, state: State) -> None:
        self._state = state
        if state is State.WHOLE:
            self._whole.set()
        else:
            self._whole.clear()
        if state is State.RESET:
            self._reset_all()

    def _reset_all(self) -> None:
        for writer in self._writers:
            connection: socket.socket = writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()
        self._writers.clear()
        for task in self._tasks:
            task.cancel()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        if self._state is State.RESET:
            self._reset_all()
            return
        await self._whole.wait()
        try:
            behind, onward = await asyncio.open_connection("127.0.0.1", self._upstream)
        except OSError:
            writer.close()
            return
        self._writers.add(onward)
        for source, target in ((reader, onward), (behind, writer)):
            task = asyncio.create_task(self._pass_on(source, target))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(CHUNK):
                await self._whole.wait()
                target.write(data)
                await target.drain()
        await self._whole.wait()
        self._writers.discard(target)
        target.close()

    def _run(self, ready: threading.Event) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve(ready))

    async def _serve(self, ready: threading.Event) -> None:
        self._over = asyncio.Event()
        server = await asyncio.start_server(self._accept, HOST, 0)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._over.wait()
        server.close()
        self._reset_all()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)


@contextlib.contextmanager
def wire_to(upstream: int) -> Iterator[Wire]:
    """Have a wire to a port of this host, in a thread of its own, until the block ends."""
    wire, ready = Wire(upstream), threading.Event()
    thread = threading.Thread(target=wire._run, args=(ready,), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield wire
    finally:
        wire._end()
        thread.join(10)
