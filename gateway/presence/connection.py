"""One connection of a worker."""

from __future__ import annotations

import asyncio
import hmac
import time
from typing import TYPE_CHECKING, Final, cast

import msgspec

from gateway.presence.workers import TooMuch
from shared.log import get_logger
from shared.presence import (
    Bye,
    Hello,
    Lines,
    Refusal,
    Welcome,
    from_worker,
    line_of,
    notice_vanished_peer,
)

if TYPE_CHECKING:
    from gateway.presence.listener import Listener
    from gateway.presence.workers import Worker
    from shared.presence import FromWorker

HELLO_SECONDS: Final = 5.0
"""Seconds in which a worker must have said who it is."""

VANISHED_SECONDS: Final = 2.0
"""Seconds after which a host that does not answer counts as cut off: one lease, by default."""

DEATHS: Final = (ConnectionResetError, BrokenPipeError)
"""How a connection ends with a process, besides in order. A host that vanished is a timeout."""


class WorkerConnection(asyncio.Protocol):
    """Reads what a worker says. Whoever does not know the secret is refused."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._transport: asyncio.Transport | None = None
        self._lines = Lines()
        self._worker: Worker | None = None
        self._has_left = False
        self._hello_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        connection = transport.get_extra_info("socket")
        if connection is not None:
            notice_vanished_peer(connection, VANISHED_SECONDS)
        loop = asyncio.get_running_loop()
        self._hello_timer = loop.call_later(HELLO_SECONDS, self._refuse, "no greeting")
        if not self._listener.add(self):
            self._refuse("too many connections")

    def data_received(self, data: bytes) -> None:
        if self._worker is not None:
            self._worker.heard_at = time.monotonic()
        try:
            for line in self._lines.add(data):
                if self._has_left:
                    return
                self._hear(from_worker.decode(line))
        except (ValueError, msgspec.DecodeError, TooMuch) as error:
            self._refuse(str(error))

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting_for_hello()
        self._listener.remove(self)
        worker, self._worker = self._worker, None
        if worker is None or worker.connection is not self:
            return
        worker.connection = None
        died = exc is None or isinstance(exc, DEATHS)
        self._listener.lost(worker, died=died and not self._has_left)

    def close(self) -> None:
        """End the connection, which says nothing of the worker."""
        self._has_left = True
        if self._transport is not None:
            self._transport.close()

    def _hear(self, message: FromWorker) -> None:
        if isinstance(message, Hello):
            self._greet(message)
        elif self._worker is None:
            self._refuse("no greeting")
        elif isinstance(message, Bye):
            self.close()
        else:
            self._worker.hear(message)

    def _greet(self, hello: Hello) -> None:
        if not hmac.compare_digest(hello.secret.encode(), self._listener.secret.encode()):
            self._refuse("another secret")
        elif self._worker is not None:
            self._refuse("a second greeting")
        else:
            self._stop_waiting_for_hello()
            self._worker = self._listener.greet(hello)
            self._worker.connection, self._worker.heard_at = self, time.monotonic()
            self._write(Welcome(self._listener.name, list(self._listener.ports)))

    def _stop_waiting_for_hello(self) -> None:
        if self._hello_timer is not None:
            self._hello_timer.cancel()
            self._hello_timer = None

    def _refuse(self, reason: str) -> None:
        get_logger().warning("presence connection refused", reason=reason)
        self._write(Refusal(reason[:1000]))
        self.close()

    def _write(self, message: Welcome | Refusal) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(line_of(message))
