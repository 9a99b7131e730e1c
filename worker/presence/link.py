"""One connection to a gateway, which never lets its users wait."""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import socket
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from shared.presence import (
    Bye,
    Lines,
    Refusal,
    Welcome,
    from_gateway,
    line_of,
    notice_vanished_peer,
)
from shared.processes.forks import keep_private

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.presence import Address, FromGateway

RECEIVED_BYTES: Final = 65536


class Link:
    """A connection that is made or being made. Methods raise `OSError` when it is broken.

    What the gateway does not take in time is not kept: the link is `behind` then, and goes on with
    all that there is to say.
    """

    def __init__(self, address: Address, hello: bytes) -> None:
        self.address = address
        self.welcome: Welcome | None = None
        self.refusal: str | None = None
        self.behind = True
        """Whether the gateway has to be told everything anew."""
        self.began_at = time.monotonic()
        self._unsent = hello
        self._lines = Lines()
        # With the number of a link-local address's interface, which `connect` wants by itself.
        family, *_, target = socket.getaddrinfo(*address, flags=socket.AI_NUMERICHOST)[0]
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            keep_private(self.socket)
            self.socket.settimeout(0)
            self._begin_to_connect(target)
        except BaseException:
            self.socket.close()
            raise
        self._connected = False

    @property
    def wanted(self) -> int:
        """The events of the socket that are waited for."""
        writes = self._unsent or not self._connected
        return selectors.EVENT_READ | (selectors.EVENT_WRITE if writes else 0)

    def tell(self, line: bytes) -> None:
        """Send a line, or fall behind."""
        if self.behind or self._unsent:
            self.behind = True
            return
        self._send(line)

    def restate(self, everything: Callable[[], bytes]) -> None:
        """Catch up with all that there is to say, once what was sent before is out."""
        if self._unsent or not self._connected:
            return
        self.behind = False
        self._send(everything())

    def flush(self, lease_seconds: float) -> None:
        """Go on with sending; call it when the socket is writable."""
        if not self._connected:
            error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                raise OSError(error, "not connected")
            notice_vanished_peer(self.socket, lease_seconds)
            self._connected = True
        unsent, self._unsent = self._unsent, b""
        self._send(unsent)

    def receive(self) -> None:
        """Read what the gateway says; call it when the socket is readable."""
        try:
            data = self.socket.recv(RECEIVED_BYTES)
        except BlockingIOError:
            return
        if not data:
            raise ConnectionResetError("the gateway has closed the connection")
        try:
            for line in self._lines.add(data):
                self._hear(from_gateway.decode(line))
        except (ValueError, msgspec.DecodeError, RecursionError) as error:
            raise ConnectionAbortedError(f"no gateway: {error}") from error

    def close(self) -> None:
        """End the connection with a goodbye, as far as that can be said at once."""
        if self._connected and not self._unsent:
            with contextlib.suppress(OSError):
                self._send(line_of(Bye()))
        self.socket.close()

    def _begin_to_connect(self, target: tuple[Any, ...]) -> None:
        error = self.socket.connect_ex(target)
        if error not in (0, errno.EINPROGRESS):
            raise OSError(error, os.strerror(error))

    def _hear(self, message: FromGateway) -> None:
        match message:
            case Welcome():
                self.welcome = message
            case Refusal(reason=reason):
                self.refusal = reason

    def _send(self, data: bytes) -> None:
        try:
            sent = self.socket.send(data)
        except BlockingIOError:
            sent = 0
        self._unsent = data[sent:]
