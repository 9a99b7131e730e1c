"""The least that a gateway on aiohttp does: `python -m bench.stacks.bare`.

Each handler answers with JSON of the size that the gateway's answers have. Like the gateway it runs
on uvloop, and it writes no access log.
"""

from __future__ import annotations

import asyncio
import os

import orjson
import uvloop
from aiohttp import web

BEGUN = {
    "promise": "0197c1a2-0000-7000-8000-000000000000",
    "status": "pending",
    "wait": "/wait?id=0197c1a2-0000-7000-8000-000000000000",
    "created": True,
    "done": False,
    "function": "foo",
    "version": 1,
    "created_on": "2026-01-01T00:00:00.000Z",
}


async def begin(request: web.Request) -> web.Response:
    """Read the body, and answer like a begin."""
    orjson.loads(await request.read())
    return web.Response(status=202, body=orjson.dumps(BEGUN), content_type="application/json")


async def wait(request: web.Request) -> web.Response:  # noqa: ARG001 - a handler's signature
    """Answer like a wait."""
    return web.Response(body=orjson.dumps(BEGUN), content_type="application/json")


async def main() -> None:
    """Serve until the process is ended."""
    application = web.Application()
    application.router.add_post("/begin", begin)
    application.router.add_get("/wait", wait)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(os.environ["PORT"]), backlog=4096).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
