"""The gateway's port for workers in the test's own loop, and workers that are played there."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.backend.server.releases import Releases
from gateway.presence.deaths import Deaths
from gateway.presence.listener import Listener
from gateway.presence.workers import Workers
from gateway.settings import PresenceSettings
from shared.presence import Hello, Refusal, Welcome, from_gateway, line_of
from tests.support.gateway.client import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from gateway.presence.workers import Worker
    from shared.presence import (
        Claimed,
        Ended,
        FromGateway,
        FromWorker,
        OfferName,
        Offers,
        Restated,
        Running,
    )

SECRET: Final = "secret-of-a-test"

ABORT: Final = struct.pack("ii", 1, 0)
"""What has the kernel reset a connection at its close."""


def hello_of(pid: str, secret: str = SECRET) -> Hello:
    """Return the greeting of a worker."""
    return Hello(secret, f"worker-{pid}", pid, "worker", 16, 1_700_000_000_000, {"foo": [1]})


@dataclass(frozen=True)
class Peer:
    """Whoever has connected to the port."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def say(self, *messages: FromWorker) -> None:
        """Send messages as a worker does."""
        await self.send(b"".join(map(line_of, messages)))

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def heard(self, seconds: float = 5.0) -> FromGateway:
        """Return the gateway's next message."""
        async with asyncio.timeout(seconds):
            message: FromGateway = from_gateway.decode(await self.reader.readuntil(b"\n"))
            return message

    async def ended(self, seconds: float = 5.0) -> bytes:
        """Return what the gateway says until it ends the connection, within `seconds`."""
        said = b""
        async with asyncio.timeout(seconds):
            with contextlib.suppress(ConnectionError):
                while piece := await self.reader.read(65536):
                    said += piece
        return said

    async def leave(self) -> None:
        """Close the connection, as the kernel does for a process that has ended."""
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()

    async def reset(self) -> None:
        """Reset the connection, as the kernel does for a process that has left something unread."""
        option = (socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
        self.writer.get_extra_info("socket").setsockopt(*option)
        self.writer.transport.abort()
        await self.leave()


class Released(Releases):
    """Notes what is to be released, in place of asking a server; `error` is raised instead."""

    def __init__(self) -> None:
        self.calls: list[tuple[list[OfferName], list[OfferName]]] = []
        self.error: Exception | None = None

    async def release(self, claims: Sequence[OfferName], offers: Sequence[OfferName]) -> int:
        self.calls.append((sorted(claims), sorted(offers)))
        if self.error is not None:
            raise self.error
        return len(claims) + len(offers)


class PresencePort:
    """A listener with all that stands behind it."""

    def __init__(
        self,
        releases: Releases,
        secret: str = SECRET,
        port: int = 0,
        workers: Workers | None = None,
    ) -> None:
        self.workers = Workers() if workers is None else workers
        self.deaths = Deaths(self.workers, releases)
        settings = PresenceSettings(secret, "127.0.0.1", port)
        self.listener = Listener(settings, "gateway-1", self.workers, self.deaths)
        self._peers: list[Peer] = []

    async def connect(self, data: bytes = b"") -> Peer:
        """Connect, and send something."""
        peer = Peer(*await asyncio.open_connection("127.0.0.1", self.listener.ports[0]))
        self._peers.append(peer)
        await peer.send(data)
        return peer

    async def greet(self, pid: str, *messages: FromWorker) -> Peer:
        """Connect as a worker that the gateway welcomes, and say something."""
        peer = await self.connect(line_of(hello_of(pid)))
        assert isinstance(await peer.heard(), Welcome)
        await peer.say(*messages)
        return peer

    def known(self, pid: str) -> Worker | None:
        """Return the worker, if the gateway knows of it."""
        return next((worker for worker in self.workers if worker.pid == pid), None)

    def held(self, pid: str) -> tuple[set[OfferName], set[OfferName]]:
        """Return the claims and the offers that the gateway knows of, none for no worker."""
        claims, offers = worker.left() if (worker := self.known(pid)) else ({}, [])
        return set(claims), set(offers)

    async def settle(self) -> None:
        """Return once whatever was to be done by now about other workers is done.

        For that a worker dies: what has ended its connection before is dealt with before.
        """
        count = self.deaths.count
        peer = await self.greet(f"settling-{count}")
        await peer.leave()
        await until(lambda: self.known(f"settling-{count}") is None)

    async def close(self) -> None:
        self.listener.close()
        for peer in self._peers:
            await peer.leave()


@contextlib.asynccontextmanager
async def presence_port(
    releases: Releases, workers: Workers | None = None
) -> AsyncIterator[PresencePort]:
    """Listen until the block ends, by default for workers of its own."""
    port = PresencePort(releases, workers=workers)
    async with port.deaths.running():
        await port.listener.start()
        try:
            yield port
        finally:
            await port.close()


def reason_of(said: bytes) -> str:
    """Return the only thing that the gateway has said: why it refuses."""
    message = from_gateway.decode(said)
    assert isinstance(message, Refusal), message
    return message.reason


def speaking(
    workers: Workers,
    *messages: Claimed | Running | Ended | Offers | Restated,
    name: str = "worker-1",
) -> Worker:
    """Return a worker that has a connection and has just said this."""
    worker = workers.enter(Hello("secret", name, f"pid-of-{name}", "worker", 16, 0, {"foo": [1]}))
    worker.connections.add(object())
    for message in messages:
        worker.hear(message)
    return worker
