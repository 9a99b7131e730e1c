"""Answers whose bodies are small and at hand, each sent in one piece with its head."""

from __future__ import annotations

import functools
import http
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiohttp import HttpVersion11, web
from aiohttp.helpers import rfc822_formatted_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp.abc import AbstractStreamWriter

WITHOUT_BODY: Final = frozenset({204, 304})


@dataclass(frozen=True)
class Head:
    """The part of an answer's head that is the same for all who are sent its body."""

    status: int
    headers: Mapping[str, str]
    length: int

    @functools.cached_property
    def raw(self) -> bytes:
        """The status line and the lines of the headers. Raises `ValueError`."""
        headers = {**self.headers, "Content-Length": str(self.length)}
        reason = http.HTTPStatus(self.status).phrase
        return f"HTTP/1.1 {self.status} {reason}\r\n{_lines_of(headers)}".encode()


class SmallResponse(web.Response):
    """An answer that is not chunked, not compressed and has no cookies.

    aiohttp takes half of the time of a small request to find that out, header by header. It still
    sends answers without a body, and those to HTTP/1.0. Headers that are set later must be others
    than those of `head`. Raises `ValueError`, when it is sent, for one that would be more than a
    line.
    """

    def __init__(self, body: bytes, head: Head) -> None:
        super().__init__(body=body, status=head.status)
        self._raw = body
        self._fixed = head
        self._in_one_piece = False

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        if self.prepared:
            return await super().prepare(request)
        self._in_one_piece = (
            request.version == HttpVersion11
            and request.method != "HEAD"
            and self._status not in WITHOUT_BODY
        )
        if not self._in_one_piece:
            self._headers.update(self._fixed.headers)
            return await super().prepare(request)
        if self._keep_alive is None:
            self._keep_alive = request.keep_alive
        writer = self._payload_writer = request.writer
        return writer

    async def write_eof(self, data: bytes = b"") -> None:
        writer = self._payload_writer
        if writer is None or not self._in_one_piece:
            await super().write_eof(data)
            return
        transport = writer.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client has gone")
        transport.write(self._fixed.raw + self._own_lines() + self._raw)
        self._eof_sent = True
        self._payload_writer = None
        await writer.drain()

    def _own_lines(self) -> bytes:
        end = "" if self._keep_alive else "Connection: close\r\n"
        lines = f"{_lines_of(self._headers)}Date: {rfc822_formatted_time()}\r\n{end}\r\n"
        return lines.encode()


def _lines_of(headers: Mapping[str, str]) -> str:
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if not lines.count("\n") == lines.count("\r") == len(headers):
        raise ValueError("a header has more than one line")
    return lines
