"""A gateway whose answers are scripted, with the page's real files and headers."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from gateway.dashboard.files import FOLDER, TYPES
from gateway.http.answers.pages import PAGE_HEADERS
from tests.support.page.snapshots import snapshot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


def functions(**schemas: dict[str, Any]) -> dict[str, Any]:
    """Return what /functions answers: these functions with the schemas of their inputs."""
    return {
        "default": next(iter(schemas), None),
        "functions": [
            {
                "name": name,
                "version": 1,
                "versions": [1],
                "signals": [],
                "summary": schema.get("description", ""),
                "timeout_seconds": None,
                "default_input": schema.get("default"),
                "input_schema": schema,
            }
            for name, schema in schemas.items()
        ],
    }


def problem(kind: str, status: int, detail: str, **also: Any) -> web.Response:
    """Return a problem as a gateway answers it."""
    body = {"type": f"/problems/{kind}", "title": kind, "status": status, "detail": detail, **also}
    return web.json_response(body, status=status, content_type="application/problem+json")


class ScriptedGateway:
    """Answers what a test has set; `asked` has the method, path, query and body of each call."""

    def __init__(self) -> None:
        self.url = ""
        self.snapshot: dict[str, Any] | None = snapshot()
        self.token: str | None = None
        self.streams = True
        """Whether a stream can be had."""
        self.is_away = False
        self.frozen: tuple[str, ...] = ()
        """Beginnings of paths that are not answered, as by a process that is stopped."""
        self.open_streams = 0
        self.written = 0
        """Snapshots that were written to streams."""
        self.asked: list[tuple[str, str, dict[str, str], Any]] = []
        self.tokens_sent: set[str | None] = set()
        self.answers: dict[str, Callable[[web.Request], web.StreamResponse | Any]] = {
            "/functions": lambda _: functions(foo={"description": "Returns its input."}),
            "/list": lambda _: {"items": [], "next_cursor": None},
        }
        self._news = asyncio.Condition()
        self._forever = asyncio.Event()

    async def tell(self, told: dict[str, Any] | None) -> None:
        """Send a snapshot to all pages; None ends their streams."""
        async with self._news:
            if told is not None:
                self.snapshot = told
            else:
                self.streams = False
            self._news.notify_all()

    def paths(self) -> list[str]:
        """Return the paths that were asked for."""
        return [path for _, path, _, _ in self.asked]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/" or request.path.startswith("/dashboard/"):
            file = FOLDER / (request.path.removeprefix("/dashboard/").strip("/") or "index.html")
            if file.suffix in TYPES and file.is_file():
                content = {"Content-Type": TYPES[file.suffix]}
                return web.Response(body=file.read_bytes(), headers={**PAGE_HEADERS, **content})
        sent = request.headers.get("Authorization")
        self.tokens_sent.add(sent)
        text = await request.text()
        self.asked.append((request.method, request.path, dict(request.query), text))
        if self.is_away:
            assert request.transport is not None
            request.transport.close()
            raise web.HTTPServiceUnavailable
        if request.path.startswith(self.frozen):
            await self._forever.wait()
        if self.token is not None and sent != f"Bearer {self.token}":
            return problem("unauthorized", 401, "Send a token.")
        if request.path == "/dashboard/live":
            return await self._stream(request)
        if request.path == "/dashboard/state":
            return web.json_response(self.snapshot)
        return self._scripted(request)

    def _scripted(self, request: web.Request) -> web.StreamResponse:
        scripted = self.answers.get(request.path)
        if scripted is None:
            return problem("unknown-id", 404, "There is no such execution.")
        answer = scripted(request)
        return answer if isinstance(answer, web.StreamResponse) else web.json_response(answer)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if not self.streams:
            return problem("too-many-requests", 429, "Too many streams.")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        self.open_streams += 1
        try:
            while self.streams:
                async with self._news:
                    data = json.dumps(self.snapshot)
                    await response.write(f"event: state\ndata: {data}\n\n".encode())
                    self.written += 1
                    await self._news.wait()
        except ConnectionError:
            pass
        finally:
            self.open_streams -= 1
        return response


@contextlib.asynccontextmanager
async def scripted_gateway() -> AsyncIterator[ScriptedGateway]:
    """Serve a scripted gateway on a free port until the block ends."""
    scripted = ScriptedGateway()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", scripted.handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    scripted.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield scripted
    finally:
        await runner.cleanup()
