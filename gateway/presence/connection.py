"""One connection of a worker."""

from __future__ import annotations

import asyncio
import hmac
import time
from typing import TYPE_CHECKING, Final, cast

from gateway.presence.workers import TooMuch
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

REASON_CHARACTERS: Final = 1000
"""What a worker is told of why it is refused."""

DEATHS: Final = (ConnectionResetError, BrokenPipeError)
"""How a connection ends with a process, besides in order. A host that vanished is a timeout."""


class WorkerConnection(asyncio.Protocol):
    """Reads what a worker says. Whoever does not know the secret is refused."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._transport: asyncio.Transport | None = None
        self._peer = ""
        self._lines = Lines()
        self._worker: Worker | None = None
        self._has_left = False
        self._hello_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._peer = str(transport.get_extra_info("peername"))
        connection = transport.get_extra_info("socket")
        if connection is not None:
            notice_vanished_peer(connection, VANISHED_SECONDS)
        loop = asyncio.get_running_loop()
        self._hello_timer = loop.call_later(HELLO_SECONDS, self.refuse, "no greeting")
        self._listener.add(self)

    def data_received(self, data: bytes) -> None:
        if self._worker is not None:
            self._worker.heard_at = time.monotonic()
        try:
            for line in self._lines.add(data):
                if self._has_left:
                    return
                self._hear(from_worker.decode(line))
        except TooMuch as error:
            self.refuse(str(error))
        except (ValueError, RecursionError) as error:
            self.refuse("not understood", str(error))

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting_for_hello()
        self._listener.remove(self)
        worker, self._worker = self._worker, None
        if worker is None:
            return
        worker.connections.discard(self)
        if worker.connections:
            return
        if self._has_left:
            self._listener.lost(worker, "stopped")
        else:
            died = exc is None or isinstance(exc, DEATHS)
            self._listener.lost(worker, "dead" if died else "vanished")

    def close(self) -> None:
        """End the connection, which says nothing of the worker."""
        self._has_left = True
        self._stop_waiting_for_hello()
        self._listener.remove(self)
        if self._transport is not None:
            self._transport.close()

    def refuse(self, reason: str, detail: str = "") -> None:
        """End the connection, and say why. What the worker holds is left to its leases."""
        if self._has_left:
            return
        self._listener.refusals.note(reason, self._peer, detail)
        self._write(Refusal(f"{reason}: {detail}"[:REASON_CHARACTERS] if detail else reason))
        self.close()

    def _hear(self, message: FromWorker) -> None:
        if isinstance(message, Hello):
            self._greet(message)
        elif self._worker is None:
            self.refuse("no greeting")
        elif isinstance(message, Bye):
            self.close()
        else:
            self._worker.hear(message)

    def _greet(self, hello: Hello) -> None:
        if not hmac.compare_digest(hello.secret.encode(), self._listener.secret.encode()):
            self.refuse("another secret")
            return
        if self._worker is not None:
            self.refuse("a second greeting")
            return
        self._worker = self._listener.greet(self, hello)
        if self._worker is None:
            self.refuse("too many workers")
            return
        self._stop_waiting_for_hello()
        self._worker.connections.add(self)
        self._worker.heard_at = time.monotonic()
        self._write(Welcome(self._listener.name, list(self._listener.ports)))

    def _stop_waiting_for_hello(self) -> None:
        if self._hello_timer is not None:
            self._hello_timer.cancel()
            self._hello_timer = None

    def _write(self, message: Welcome | Refusal) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(line_of(message))
