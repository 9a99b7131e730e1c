"""A gateway inside the test's own loop, a client that sends exactly what it is told, problems."""

from __future__ import annotations

import asyncio
import contextlib
import io
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import orjson
import yarl
from aiohttp import web

from gateway.app import create_app
from gateway.http.server import BACKLOG, Runner
from tests.support.processes import Answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping

    from structlog.typing import EventDict

    from gateway.settings import GatewaySettings


JSON: Final = "application/json; charset=utf-8"
PROBLEM_JSON: Final = "application/problem+json"

PROBLEMS: Final = {
    "invalid-request": (400, "The request breaks a rule"),
    "unknown-id": (404, "There is no execution of this id"),
    "unknown-function": (404, "There is no function of this name"),
    "not-found": (404, "There is nothing at this path"),
    "method-not-allowed": (405, "The path does not take this method"),
    "payload-too-large": (413, "The body is too large"),
    "unsupported-media-type": (415, "The body must be JSON"),
    "invalid-input": (422, "The function does not take this input"),
    "id-reused": (422, "The id belongs to another request"),
    "internal": (500, "The service failed"),
    "backend-unavailable": (503, "The server cannot be asked right now"),
}
"""Status and title of every problem that a client may meet."""


@dataclass(frozen=True)
class Gateway:
    """A gateway that serves at `url`, and one client of it."""

    app: web.Application
    runner: web.AppRunner
    host: str
    port: int
    client: aiohttp.ClientSession

    async def ask(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request; `target` goes out as it stands, and no header is added to a body."""
        url = yarl.URL(f"http://{self.host}:{self.port}{target}", encoded=True)
        data = None if body is None else io.BytesIO(body)
        async with self.client.request(method, url, data=data, headers=headers) as response:
            raw = await response.read()
            decoded: Any = orjson.loads(raw) if raw else None
            return Answer(response.status, decoded, response.headers)

    async def fetch(
        self, method: str, path: str, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any, bytes]:
        """Send a request whose answer need not be JSON; return its status, headers and body."""
        url = f"http://{self.host}:{self.port}{path}"
        async with self.client.request(method, url, headers=headers) as response:
            return response.status, response.headers, await response.read()

    async def begin(self, id: str, body: object = ..., *, function: str = "foo") -> Answer:
        """Begin an execution; the body is JSON, or raw where it is bytes, or absent."""
        target = f"/begin?id={id}&function={function}"
        if body is ...:
            return await self.ask("POST", target)
        raw = body if isinstance(body, bytes) else orjson.dumps(body)
        return await self.ask("POST", target, raw, {"Content-Type": "application/json"})

    async def wait(self, id: str, *include: str) -> Answer:
        """Read an execution, with what is named included."""
        also = f"&include={','.join(include)}" if include else ""
        return await self.ask("GET", f"/wait?id={id}{also}")

    async def input_of(self, id: str) -> Any:
        """Return the input that is stored with an execution."""
        answer = await self.wait(id, "input")
        assert answer.status == 200, answer
        return answer.body["input"]


@contextlib.asynccontextmanager
async def running_gateway(
    settings: GatewaySettings, routes: Iterable[web.AbstractRouteDef] = ()
) -> AsyncIterator[Gateway]:
    """Serve on a free port until the block ends; `routes` are added to the gateway's own."""
    app = create_app(settings)
    app.add_routes(routes)
    runner = Runner(app, settings)
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.host, 0, backlog=BACKLOG).start()
        host, port = runner.addresses[0][:2]
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=15),
            skip_auto_headers=["Content-Type"],
        ) as client:
            yield Gateway(app, runner, host, port, client)
    finally:
        await runner.cleanup()


def assert_problem(answer: Answer, slug: str, instance: str, detail: str, **also: object) -> None:
    """Hold an answer to what every problem promises: its whole body, and its headers."""
    status, title = PROBLEMS[slug]
    expected = {
        "type": f"/problems/{slug}",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": instance,
        "request_id": answer.headers["X-Request-Id"],
        **also,
    }
    assert (answer.status, answer.body) == (status, expected)
    assert answer.headers["Content-Type"] == PROBLEM_JSON
    assert answer.headers["Error-Source"] == "gateway"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers.get("Retry-After") == ("1" if status == 503 else None)


async def requests_told(log: list[EventDict], count: int) -> list[EventDict]:
    """Wait for so many requests to be told of, and return their lines."""
    async with asyncio.timeout(5):
        while True:
            lines = [line for line in log if line["event"] == "request"]
            if len(lines) >= count:
                return lines
            await asyncio.sleep(0.005)


async def until(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    """Wait, beside the loop, until something is true, and return that."""
    end = time.monotonic() + seconds
    while not (value := await asyncio.to_thread(condition)):
        assert time.monotonic() < end, "it does not come"
        await asyncio.sleep(0.02)
    return value
