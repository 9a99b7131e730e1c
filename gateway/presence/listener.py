"""The port at which workers connect, which is never the one of clients."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from gateway.presence.connection import WorkerConnection
from shared.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.presence.deaths import Deaths
    from gateway.presence.workers import Worker, Workers
    from gateway.settings import PresenceSettings
    from shared.presence import Hello

MOST_CONNECTIONS: Final = 1024
"""Connections of workers at one time."""


class Listener:
    """Takes connections of workers from `start` to `close`."""

    def __init__(
        self, settings: PresenceSettings, name: str, workers: Workers, deaths: Deaths
    ) -> None:
        self.secret = settings.secret
        self.name = name
        self.ports: Sequence[int] = ()
        """The ports of this gateway's processes, if they are known."""
        self._settings = settings
        self._workers = workers
        self._deaths = deaths
        self._connections: set[WorkerConnection] = set()
        self._server: asyncio.Server | None = None
        self._is_closing = False

    async def start(self) -> None:
        """Listen, if there is a secret. Raises `OSError` if that cannot be done."""
        settings = self._settings
        if not settings.secret:
            return
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: WorkerConnection(self), settings.host, settings.port
        )
        port = self._server.sockets[0].getsockname()[1]
        self.ports = settings.ports or (port,)
        get_logger().info("workers may connect", host=settings.host, port=port)

    def close(self) -> None:
        """End all connections, which says nothing of the workers: they connect elsewhere."""
        self._is_closing = True
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.close()

    def add(self, connection: WorkerConnection) -> bool:
        """Count a connection; False if there are too many."""
        self._connections.add(connection)
        return len(self._connections) <= MOST_CONNECTIONS and not self._is_closing

    def remove(self, connection: WorkerConnection) -> None:
        self._connections.discard(connection)

    def greet(self, hello: Hello) -> Worker:
        """Return the worker that says this."""
        worker = self._workers.enter(hello)
        self._deaths.greeted(worker)
        return worker

    def lost(self, worker: Worker, *, died: bool) -> None:
        """Take note that a worker's connection has ended."""
        if died and not self._is_closing:
            self._deaths.suspect(worker)
        else:
            self._workers.leave(worker)
