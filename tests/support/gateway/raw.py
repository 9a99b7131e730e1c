"""Requests as bytes, such as no client library would send."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.gateway.client import Gateway


@dataclass(frozen=True)
class RawAnswer:
    """An answer: its status, its headers in lower case, its body if JSON."""

    status: int
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True)
class Wire:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def answer(self, seconds: float = 5.0) -> RawAnswer:
        """Read one answer, which must come within `seconds`."""
        async with asyncio.timeout(seconds):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {
                k.lower(): v for k, _, v in (line.partition(": ") for line in head[1:] if line)
            }
            raw = await self.reader.readexactly(int(headers.get("content-length", "0")))
        status = int(head[0].split(" ")[1])
        is_json = "json" in headers.get("content-type", "")
        return RawAnswer(status, headers, orjson.loads(raw) if raw and is_json else None)

    async def ended(self, seconds: float = 5.0) -> bytes:
        """Return the bytes until the other side ends the connection, within `seconds`."""
        async with asyncio.timeout(seconds):
            with contextlib.suppress(ConnectionError):
                return await self.reader.read()
        return b""


@contextlib.asynccontextmanager
async def connected(gateway: Gateway, sent: bytes = b"") -> AsyncIterator[Wire]:
    """Open a connection, send something, and close it at the end of the block."""
    reader, writer = await asyncio.open_connection(gateway.host, gateway.port)
    try:
        writer.write(sent)
        yield Wire(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def request(line: str, *headers: str, body: bytes = b"") -> bytes:
    """Return a request; its line and headers may hold any byte, as latin-1."""
    return "\r\n".join((line, "Host: localhost", *headers, "", "")).encode("latin-1") + body


JSON_TYPE: Final = "Content-Type: application/json"


def posted(line: str, *headers: str, body: bytes = b"") -> bytes:
    """Return a POST with a JSON body."""
    return request(f"POST {line} HTTP/1.1", JSON_TYPE, *headers, body=body)
