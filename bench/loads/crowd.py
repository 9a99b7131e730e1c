"""Load for `waiters`: thousands of waiting clients in one process, and a probe of /healthz."""

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
BATCH_SIZE = 50
BATCH_SECONDS = 0.05
"""Clients that connect at once, and seconds between two batches: 1,000 clients a second."""

PROBE_SECONDS = 0.01
"""Seconds between two requests of the probe."""

NICENESS = 5
"""Niceness of the crowd: it stands for other machines, so the gateway runs first."""


@dataclass
class Waiter(asyncio.Protocol):
    """Asks until its execution has ended; `ended` is the time of the last answer."""

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

    async def connect(id: str) -> Waiter:
        waiter = Waiter(WAIT.format(id).encode())
        await loop.create_connection(lambda: waiter, "127.0.0.1", port)
        return waiter

    waiters: list[Waiter] = []
    for batch in itertools.batched(ids, BATCH_SIZE, strict=False):
        waiters += await asyncio.gather(*map(connect, batch))
        await asyncio.sleep(BATCH_SECONDS)
    parent.send(len(waiters))
    times = await asyncio.gather(*(waiter.ended for waiter in waiters))
    parent.send((times, sum(waiter.repeated for waiter in waiters)))


def crowd(port: int, ids: list[str], parent: Connection) -> None:
    """Wait for each id; send the number of clients, then the time of each last answer."""
    os.nice(NICENESS)
    uvloop.run(_crowd(port, ids, parent))


async def _probe(port: int, parent: Connection) -> None:
    durations: list[float] = []
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while True:
        began = time.perf_counter()
        writer.write(HEALTHZ)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        await reader.readexactly(length)
        durations.append(time.perf_counter() - began)
        if parent.poll():
            parent.recv()
            parent.send(durations)
            durations = []
        await asyncio.sleep(PROBE_SECONDS)


def probe(port: int, parent: Connection) -> None:
    """Request /healthz all the time; answer each message with the durations since the last one."""
    uvloop.run(_probe(port, parent))
