"""The port at which workers connect, which is never the one of clients."""

from __future__ import annotations

import asyncio
import resource
from typing import TYPE_CHECKING, Final

from gateway.presence.connection import WorkerConnection
from gateway.presence.refusals import Refusals
from shared.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.presence.deaths import Deaths
    from gateway.presence.observer import Ending
    from gateway.presence.workers import Worker, Workers
    from gateway.settings import PresenceSettings
    from shared.presence import Hello

MOST_CONNECTIONS: Final = 1024
"""Connections of workers at one time."""

MOST_STRANGERS: Final = 256
"""Connections at one time on which nobody has said who he is. A worker greets at once: a further
connection ends the oldest of them, so that strangers keep no worker out."""

FILES_SHARE: Final = 32
"""Of this many files that the process may open, a stranger takes at most one, and so a worker."""

BACKLOG: Final = 1024
"""Connections that the kernel keeps until they are taken: all workers may come at once."""


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
        self._strangers: dict[WorkerConnection, None] = {}
        self._connections: set[WorkerConnection] = set()
        self.refusals = Refusals()
        self._most_strangers = _within_files(MOST_STRANGERS)
        self._most_connections = _within_files(MOST_CONNECTIONS)
        self._server: asyncio.Server | None = None
        self._is_closing = False

    async def start(self) -> None:
        """Listen, if there is a secret. Raises `OSError` if that cannot be done."""
        settings = self._settings
        if not settings.secret:
            return
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: WorkerConnection(self), settings.host, settings.port, backlog=BACKLOG
        )
        port = self._server.sockets[0].getsockname()[1]
        self.ports = settings.ports or (port,)
        get_logger().info("workers may connect", host=settings.host, port=port)

    def close(self) -> None:
        """End all connections, which says nothing of the workers: they connect elsewhere."""
        self._is_closing = True
        self._deaths.close()
        if self._server is not None:
            self._server.close()
        for connection in [*self._strangers, *self._connections]:
            connection.close()

    def add(self, connection: WorkerConnection) -> None:
        """Take note of a connection on which nobody has greeted."""
        if self._is_closing:
            connection.close()
            return
        self._strangers[connection] = None
        if len(self._strangers) > self._most_strangers:
            next(iter(self._strangers)).refuse("too many connections without a greeting")

    def remove(self, connection: WorkerConnection) -> None:
        """Count a connection no longer."""
        self._strangers.pop(connection, None)
        self._connections.discard(connection)

    def greet(self, connection: WorkerConnection, hello: Hello) -> Worker | None:
        """Return the worker that says this, or None if there are too many."""
        if len(self._connections) >= self._most_connections:
            return None
        del self._strangers[connection]
        self._connections.add(connection)
        worker = self._workers.enter(hello)
        self._deaths.greeted(worker)
        return worker

    def lost(self, worker: Worker, ending: Ending) -> None:
        """Take note that a worker's last connection has ended, and how."""
        if ending == "dead":
            self._deaths.suspect(worker)
        else:
            self._workers.leave(worker, ending)


def _within_files(most: int) -> int:
    """Return how many connections there may be: the server and clients need files as well."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return most if files == resource.RLIM_INFINITY else min(most, files // FILES_SHARE)
