"""Prometheus is answered at the server's address for metrics while there is no server yet.

So each of two servers can be scraped at one address, and one that is missing is seen before it is
needed: a spare is up while PostgreSQL answers it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from deploy.store.guard.lock import Lock
    from deploy.store.guard.server_settings import Address

REQUEST_SECONDS: Final = 5.0
"""Seconds that a client has for its request."""

HEAD_END: Final = b"\r\n\r\n"
METRICS: Final = b"/metrics"
WAITS: Final = b"# This server waits as the spare, and has no metrics.\n"
ALONE: Final = b"PostgreSQL does not answer: this server could not become active.\n"
UNKNOWN: Final = b"There is /metrics only.\n"

log = logging.getLogger("guard")


@contextlib.asynccontextmanager
async def waiting_scrapes(listener: Address, lock: Lock) -> AsyncIterator[None]:
    """Answer scrapes in the block; after it the address is free for the server."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError, asyncio.LimitOverrunError):
            async with asyncio.timeout(REQUEST_SECONDS):
                head = await reader.readuntil(HEAD_END)
                writer.write(_answer(head, is_spare=lock.is_answered))
                await writer.drain()
        writer.close()

    host, port = listener
    async with contextlib.AsyncExitStack() as stack:
        try:
            server = await asyncio.start_server(answer, host, port)
        except OSError as error:
            # A spare that nobody can ask is better than none.
            log.error("this server cannot be scraped while it waits: %s", error)  # noqa: TRY400 - words
        else:
            # Not `async with server`, which waits for its clients: no server could start meanwhile.
            stack.callback(server.close)
        yield


def _answer(head: bytes, *, is_spare: bool) -> bytes:
    path = head.split(b" ", 2)[1:2]
    if path != [METRICS]:
        status, body = b"404 Not Found", UNKNOWN
    elif is_spare:
        status, body = b"200 OK", WAITS
    else:
        status, body = b"503 Service Unavailable", ALONE
    lines = (
        b"HTTP/1.1 " + status,
        b"Content-Type: text/plain; version=0.0.4",
        b"Content-Length: %d" % len(body),
        b"Connection: close",
    )
    return b"\r\n".join(lines) + HEAD_END + body
