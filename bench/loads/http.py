"""HTTP/1.1 as the load needs it: requests as bytes, and a connection that times each answer."""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING, Final, cast

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
END_OF_HEAD: Final = b"\r\n\r\n"
BROKEN: Final = 0
"""Status of a request whose connection was lost."""


def request(
    method: str, target: str, body: object = None, headers: Mapping[str, str] | None = None
) -> bytes:
    """Return a request; a body is sent as JSON."""
    sent = {"Host": "127.0.0.1", **(headers or {})}
    data = b""
    if body is not None:
        data = orjson.dumps(body)
        sent["Content-Type"] = "application/json"
    if method != "GET":
        sent["Content-Length"] = str(len(data))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {sent[name]}" for name in sent), "", ""]
    return "\r\n".join(lines).encode() + data


class Connection(asyncio.Protocol):
    """One connection with one request at a time; `answered` is called with status and body."""

    def __init__(self, answered: Callable[[Connection, int, bytes], None]) -> None:
        self._answered = answered
        self._transport: asyncio.WriteTransport | None = None
        self._received = b""
        self.busy = False
        self.since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def send(self, data: bytes, since: float | None = None) -> None:
        """Send a request, whose time counts from now or from `since`."""
        self.since = time.perf_counter() if since is None else since
        self.busy = True
        if self._transport is None:
            self._end(BROKEN, b"")
        else:
            self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        if self._received:
            data = self._received + data
        end = data.find(END_OF_HEAD)
        length = LENGTH.search(data, 0, end + 2) if end >= 0 else None
        if length is None or len(data) < end + len(END_OF_HEAD) + int(length[1]):
            self._received = data
            return
        self._received = b""
        self._end(int(data[9:12]), data[end + len(END_OF_HEAD) :])

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._transport = None
        if self.busy:
            self._end(BROKEN, b"")

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    @property
    def lost(self) -> bool:
        return self._transport is None

    def _end(self, status: int, body: bytes) -> None:
        self.busy = False
        self._answered(self, status, body)


async def connect(
    address: tuple[str, int], answered: Callable[[Connection, int, bytes], None]
) -> Connection:
    """Open a connection."""
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(lambda: Connection(answered), *address)
    return connection
