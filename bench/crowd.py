"""Clients that wait, thousands in one process, and one that looks whether the gateway lives."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import uvloop

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

WAIT = "GET /wait?id={}&wait=25s HTTP/1.1\r\nHost: bench\r\n\r\n"
HEALTHZ = b"GET /healthz HTTP/1.1\r\nHost: bench\r\n\r\n"
LOT = 50
LOT_SECONDS = 0.05
"""Clients come in lots of so many, a lot in so many seconds: a thousand in a second."""

PROBE_SECONDS = 0.01
PATIENCE = 5
"""How much nicer the crowd is than what is measured: it stands for other machines."""


@dataclass
class Waiter(asyncio.Protocol):
    """Asks until its execution has ended; `answered_at` is when the whole answer was there."""

    request: bytes
    ended: asyncio.Future[float] = field(default_factory=asyncio.Future)
    repeated: int = 0
    _transport: asyncio.WriteTransport | None = None
    _received: bytes = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)
        self._transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found or not body.endswith(b"}"):
            return
        if b'"done":true' in body:
            self.ended.set_result(time.time())
        elif head.startswith(b"HTTP/1.1 200"):
            self.repeated += 1
            self._received = b""
            assert self._transport is not None
            self._transport.write(self.request)
        else:
            self.ended.set_exception(RuntimeError(head.decode()))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(exc or ConnectionError("closed without an answer"))


async def _crowd(port: int, ids: list[str], parent: Connection) -> None:
    loop = asyncio.get_running_loop()

    async def open_one(id: str) -> Waiter:
        made = Waiter(WAIT.format(id).encode())
        await loop.create_connection(lambda: made, "127.0.0.1", port)
        return made

    waiters: list[Waiter] = []
    for lot in itertools.batched(ids, LOT, strict=False):
        waiters += await asyncio.gather(*map(open_one, lot))
        await asyncio.sleep(LOT_SECONDS)
    parent.send(len(waiters))
    times = await asyncio.gather(*(waiter.ended for waiter in waiters))
    parent.send((times, sum(waiter.repeated for waiter in waiters)))


def crowd(port: int, ids: list[str], parent: Connection) -> None:
    """Wait for each id, say how many wait, and at last when each was answered."""
    os.nice(PATIENCE)
    uvloop.run(_crowd(port, ids, parent))


async def _probe(port: int, parent: Connection) -> None:
    took: list[float] = []
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while True:
        began = time.perf_counter()
        writer.write(HEALTHZ)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        await reader.readexactly(length)
        took.append(time.perf_counter() - began)
        if parent.poll():
            parent.recv()
            parent.send(took)
            took = []
        await asyncio.sleep(PROBE_SECONDS)


def probe(port: int, parent: Connection) -> None:
    """Ask /healthz all the time; whenever told to, send how long each took since the last time."""
    uvloop.run(_probe(port, parent))
