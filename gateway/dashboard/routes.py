"""GET /, which is a page for people, and what that page reads below /dashboard."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web

from gateway.api.health import index
from gateway.dashboard.files import TYPES, PageFiles
from gateway.dashboard.live import Live
from gateway.errors import BackendUnavailable
from gateway.http.answers.pages import PAGE_HEADERS
from gateway.http.answers.responses import (
    JSON,
    NO_STORE,
    Content,
    content_response,
    tagged_response,
)
from gateway.http.auth import PAGE_FILES
from gateway.http.middleware import add_own_headers
from gateway.http.routing import prefers_html

COMMENT_SECONDS: Final = 15.0
"""Seconds without a snapshot after which a comment keeps the connection alive."""

SEND_SECONDS: Final = 60.0
"""Seconds after which a page that has not taken a snapshot is disconnected."""

STREAM_HEADERS: Final = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}

LIVE = web.AppKey("live", Live)
PAGE_CONTENTS = web.AppKey("page_contents", PageFiles)


async def page(request: web.Request) -> web.Response:
    """Answer the page to a browser, and the list of paths to everybody else."""
    if prefers_html(request):
        content = request.app[PAGE_CONTENTS].page
        response = await tagged_response(
            request, content, {**PAGE_HEADERS, "Content-Type": TYPES[".html"]}
        )
    else:
        response = index()
    response.headers["Vary"] = "Accept"
    return response


async def file(request: web.Request) -> web.Response:
    """Answer a file of the page."""
    found = request.app[PAGE_CONTENTS].get(request.match_info["file"])
    if found is None:
        raise web.HTTPNotFound
    content, kind = found
    return await tagged_response(request, content, {**PAGE_HEADERS, "Content-Type": kind})


async def state(request: web.Request) -> web.Response:
    """Answer the newest snapshot, for a page that cannot have a stream."""
    raw = await request.app[LIVE].current()
    if not raw:
        raise BackendUnavailable("This gateway is shutting down.")
    return await content_response(request, Content(raw), {"Content-Type": JSON, **NO_STORE})


async def live(request: web.Request) -> web.StreamResponse:
    """Stream snapshots, the newest one first, until the gateway drains."""
    if request.method == "HEAD":
        return web.Response(headers=STREAM_HEADERS)
    async with request.app[LIVE].open() as snapshots:
        response = web.StreamResponse(headers=STREAM_HEADERS)
        add_own_headers(request, response)
        try:
            await response.prepare(request)
            await _send(request, response, snapshots)
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()  # close() would wait for the page to take what is left
        except ConnectionError:
            pass  # the page has gone
    return response


async def _send(request: web.Request, response: web.StreamResponse, snapshots: Live) -> None:
    await response.write(b"retry: 1000\n\n")
    async for raw in snapshots.snapshots(COMMENT_SECONDS):
        event = b": nothing new\n\n" if raw is None else b"event: state\ndata: %b\n\n" % raw
        async with asyncio.timeout(SEND_SECONDS):
            await response.write(event)
            await request.writer.drain()  # the next snapshot is the newest one by then


ROUTES = (
    web.get("/", page),
    web.get("/dashboard/live", live),
    web.get("/dashboard/state", state),
    web.get(PAGE_FILES.replace("{file}", "{file:.+}"), file),
)
