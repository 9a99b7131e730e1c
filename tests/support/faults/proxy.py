"""A proxy between our processes and the server's API that does harm to chosen calls."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

import aiohttp
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Iterator

CODES = {
    400: 40000,
    403: 40306,
    404: 40400,
    409: 40900,
    412: 41200,
    429: 42900,
    500: 50004,
    503: 50300,
}
"""Codes that the server gives with its statuses."""


HANG_SECONDS = 7.0
"""Seconds after which a call that hangs is cut."""


@dataclass
class Harm:
    """What is done to the next `times` calls of `method` to paths that begin with `path`.

    `how`: `refuse-<status>` as the server would, `page-<status>` as something else would, `cut`
    before the server hears of it, `lose` the answer, `half` of it, `garbage`, `null`, `hang`,
    `slow`. `at` has the times when it was done, in seconds since the epoch.
    """

    method: str
    path: str
    how: str
    times: int = 1
    at: list[float] = field(default_factory=list)

    @property
    def done(self) -> int:
        return len(self.at)


@dataclass(frozen=True)
class Seen:
    """A call as it came, its path with the query and still encoded."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Proxy:
    """Forwards every call to the server on `upstream`; `harm` names exceptions.

    `calls` are the calls so far: method, path and query. `seen` are the latest ones, whole.
    """

    upstream: int
    port: int = 0
    harms: list[Harm] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    seen: deque[Seen] = field(default_factory=lambda: deque(maxlen=10_000))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def harm(self, method: str, path: str, how: str, times: int = 1) -> Harm:
        made = Harm(method, path, how, times)
        with self._lock:
            self.harms.append(made)
        return made

    def heal(self) -> None:
        with self._lock:
            self.harms.clear()

    def _due(self, request: web.Request) -> str | None:
        with self._lock:
            for harm in self.harms:
                matches = request.method == harm.method and request.path.startswith(harm.path)
                if matches and harm.done < harm.times:
                    harm.at.append(time.time())
                    return harm.how
        return None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.calls.append(f"{request.method} {request.path_qs}")
        how, body = self._due(request), await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.seen.append(Seen(request.method, request.raw_path, headers, body))
        what, _, status = (how or "").partition("-")
        match what:
            case "refuse":
                error = {"code": CODES[int(status)], "message": "harm", "details": []}
                return web.json_response({"error": error}, status=int(status))
            case "page":
                return web.Response(status=int(status), text="<html>", content_type="text/html")
            case "garbage":
                return web.Response(body=b"\xff\xfe{{{")
            case "null":
                return web.json_response(None)
            case "cut":
                _cut(request)
            case "hang":
                await asyncio.sleep(HANG_SECONDS)
                _cut(request)
            case "slow":
                await asyncio.sleep(1.5)
            case _:
                pass
        answer, raw = await self._forward(request, body)
        if what == "lose":
            _cut(request)
        if what == "half":
            partial = web.StreamResponse(status=answer, headers={"Content-Length": str(len(raw))})
            await partial.prepare(request)
            await partial.write(raw[: len(raw) // 2])
            _cut(request)
        return web.Response(status=answer, body=raw, content_type="application/json")

    async def _forward(self, request: web.Request, body: bytes) -> tuple[int, bytes]:
        skipped = {"host", "content-length", "connection"}
        headers = {k: v for k, v in request.headers.items() if k.lower() not in skipped}
        url = f"http://127.0.0.1:{self.upstream}{request.raw_path}"
        client = request.app[CLIENT]
        try:
            async with client.request(request.method, url, data=body, headers=headers) as answer:
                return answer.status, await answer.read()
        except aiohttp.ClientError:
            _cut(request)


CLIENT = web.AppKey("client", aiohttp.ClientSession)


def _cut(request: web.Request) -> NoReturn:
    if request.transport is not None:  # else the client has gone already
        request.transport.abort()
    raise asyncio.CancelledError


@contextlib.contextmanager
def proxy_to(upstream: int) -> Iterator[Proxy]:
    """Run a proxy, in a thread of its own, until the block ends."""
    proxy, ready, stop = Proxy(upstream), threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", proxy.handle)
        async with aiohttp.ClientSession() as client:
            app[CLIENT] = client
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            proxy.port = runner.addresses[0][1]
            ready.set()
            await stop.wait()
            await runner.cleanup()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
