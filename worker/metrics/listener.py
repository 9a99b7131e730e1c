"""Where a worker is asked for its metrics: the smallest HTTP server that does.

It belongs to the machine's own network. Still, nobody who connects can hold it: each connection has
a few seconds and a few KiB in all, and there are few.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Final

from shared.log import get_logger
from shared.metrics import accepts_open_metrics, exposition
from shared.processes.forks import keep_private

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.metrics import Meter

REQUEST_SECONDS: Final = 5.0
"""Seconds for a request and its answer."""

HEAD_BYTES: Final = 16 * 1024
MOST_CONNECTIONS: Final = 32

PAUSE_SECONDS: Final = 1.0
"""Seconds after which a port that was taken is tried again: the worker before may still drain."""

TEXT: Final = "text/plain; charset=utf-8"


class MetricsListener:
    """Answers GET /metrics at `host` and `port`, in a thread of its own, until the process ends.

    The worker works on without it: while the port is taken it is tried again and again.
    """

    def __init__(self, meter: Meter, host: str, port: int) -> None:
        self._meter = meter
        self._host = host
        self._port = port
        self._open = 0
        self._log = get_logger()

    def start(self) -> None:
        """Listen, unless the port is 0."""
        if self._port:
            threading.Thread(target=self._run, name="metrics", daemon=True).start()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception:  # noqa: BLE001 - metrics end, and the worker works on
            self._log.exception("metrics ended")

    async def _serve(self) -> None:
        listening = await self._listening()
        keep_private(listening)
        server = await asyncio.start_server(self._answer, sock=listening, limit=HEAD_BYTES)
        self._log.info("metrics served", host=self._host, port=self._port)
        async with server:
            await server.serve_forever()

    async def _listening(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        is_logged = False
        while True:
            try:
                return socket.create_server((self._host, self._port), family=family)
            except OSError as error:
                if not is_logged:
                    reason = f"port {self._port}: {error.strerror or error}"
                    self._log.error("metrics not served yet", reason=reason)
                is_logged = True
            await asyncio.sleep(PAUSE_SECONDS)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open > MOST_CONNECTIONS:
                return
            async with asyncio.timeout(REQUEST_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._answer_to(head.decode("latin-1")))
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            writer.transport.abort()
        finally:
            self._open -= 1
            with contextlib.suppress(OSError):
                writer.close()

    def _answer_to(self, head: str) -> bytes:
        """Return the answer to a request, of which everything but the head is ignored."""
        first, *lines = head.split("\r\n")
        method, _, rest = first.partition(" ")
        target, _, version = rest.partition(" ")
        if not version.startswith("HTTP/1."):
            return _encoded(400, TEXT, b"This is no HTTP request.\n", has_body=True)
        has_body = method != "HEAD"
        if method not in {"GET", "HEAD"}:
            return _encoded(405, TEXT, b"Only GET and HEAD.\n", has_body=True)
        if target.partition("?")[0] != "/metrics":
            return _encoded(404, TEXT, b"There is /metrics only.\n", has_body=has_body)
        accept = _headers_of(lines).get("accept", "")
        content_type, text = exposition(self._meter.collect(), accepts_open_metrics(accept))
        return _encoded(200, content_type, text, has_body=has_body)


REASONS: Final = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed"}


def _headers_of(lines: list[str]) -> Mapping[str, str]:
    pairs = (line.partition(":") for line in lines)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _encoded(status: int, content_type: str, body: bytes, *, has_body: bool) -> bytes:
    allow = "Allow: GET, HEAD\r\n" if status == 405 else ""
    head = (
        f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n{allow}Connection: close\r\n\r\n"
    )
    return head.encode() + (body if has_body else b"")
