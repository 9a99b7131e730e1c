"""The one connection on which the server offers tasks to this worker."""

from __future__ import annotations

import contextlib
import http.client
import random
import socket
import threading
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from shared.log import get_logger
from shared.processes.forks import keep_private
from shared.resonate.streams import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    RENEW_SECONDS,
    SILENT_SECONDS,
)
from shared.resonate.transport import authorization
from worker.tasks.offers import parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.settings import ServerSettings
    from worker.tasks.offers import Inbox

READY_POLL_SECONDS: Final = 0.01
"""Seconds between two looks at whether this worker may claim, at its start."""


class Stream:
    """Keeps an event stream of the server, at `path`, open and reads it into `inbox`.

    The stream is opened anew every `renew_seconds`:
    1. This process opens a new connection.
    2. The server sends all later events there, without a gap, and ends the old connection.

    It is first opened when `may_claim`: a claim that nobody renews is lost after one lease.

    While the inbox is full there is no connection: the server offers tasks to other workers, or
    sets them aside until a worker asks for them (worker/tasks/supply.py).

    The server also ends any connection that is older than its `disconnectAfter`. So a process that
    is frozen or cut off opens no new one and is soon offered nothing more.
    """

    def __init__(
        self,
        server: ServerSettings,
        path: str,
        inbox: Inbox,
        may_claim: Callable[[], bool],
        *,
        renew_seconds: float = RENEW_SECONDS,
    ) -> None:
        self._server = server
        self._path = path
        self._inbox = inbox
        self._may_claim = may_claim
        self._renew_seconds = renew_seconds
        self._closed = threading.Event()
        self._connection: _Connection | None = None
        self._open = False
        self._thread = threading.Thread(target=self._run, name="stream", daemon=True)
        self._log = get_logger()

    def start(self) -> None:
        self._thread.start()

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def is_open(self) -> bool:
        """Return whether the server can offer tasks to this process, as far as is known here.

        That includes the time for which the inbox is full.
        """
        return self._open

    def close(self) -> None:
        """Leave the group, so that the server offers nothing more to this process."""
        self._closed.set()
        self._open = False
        connection = self._connection
        if connection is not None:
            connection.close()

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while not self._may_claim() and not self._closed.wait(READY_POLL_SECONDS):
            pass
        while not self._closed.is_set():
            if self._inbox.is_full():
                self._inbox.wait_for_room(self._renew_seconds)
                continue
            try:
                self._connection = _Connection(self._server, self._path, self._inbox)
            except (OSError, http.client.HTTPException) as error:
                if self._open:
                    self._log.warning("stream lost", reason=repr(error))
                self._open = False
            else:
                if self._closed.is_set():  # while it was being opened
                    break
                if not self._open:
                    self._log.info("stream opened")
                self._open = True
                if not self._connection.ended.wait(self._renew_seconds) or self._connection.left:
                    pause = FIRST_PAUSE
                    continue
            self._closed.wait(pause * (0.5 + random.random()))  # noqa: S311 - jitter
            pause = min(pause * 2, LONGEST_PAUSE)
        self.close()


class _Connection:
    """One connection and the thread that reads it until the server ends it."""

    def __init__(self, server: ServerSettings, path: str, inbox: Inbox) -> None:
        url = urlsplit(server.host)
        kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        connection = kind(url.hostname or "localhost", server.message_port, timeout=SILENT_SECONDS)
        try:
            connection.connect()
            self._socket: socket.socket = connection.sock
            keep_private(self._socket)
            connection.request("GET", path, headers=authorization(server))
            self._response = connection.getresponse()
            if self._response.status != 200:
                raise http.client.HTTPException(  # noqa: TRY301 - closed below
                    f"the server answered {self._response.status}"
                )
        except BaseException:
            connection.close()
            raise
        self._inbox = inbox
        self.ended = threading.Event()
        self.left = False
        """Whether the server was asked to end it, because the inbox was full."""
        threading.Thread(target=self._read, name="stream-reader", daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _leave(self) -> None:
        """Have the server end the connection; what it has sent until then is read."""
        self.left = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def _read(self) -> None:
        try:
            while line := self._response.readline():
                self._take(line)
        except (OSError, ValueError, http.client.HTTPException) as error:
            get_logger().debug("stream cut", reason=repr(error))
        finally:
            self.ended.set()
            self._response.close()
            self._socket.close()

    def _take(self, line: bytes) -> None:
        try:
            offer = parse(line)
        except ValueError:
            get_logger().warning("unreadable event skipped", line=repr(line[:200]))
            return
        if offer is not None:
            self._inbox.put(offer)
            if self._inbox.is_full():
                self._leave()
