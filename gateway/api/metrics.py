"""GET /metrics: what this gateway has counted, for Prometheus."""

from __future__ import annotations

from aiohttp import web

from gateway.api.keys import SCRAPES


async def metrics(request: web.Request) -> web.Response:
    """Answer with the metrics of all processes of this gateway, as text or as OpenMetrics."""
    content_type, text = await request.app[SCRAPES].read(request.headers.get("Accept", ""))
    headers = {"Content-Type": content_type, "Cache-Control": "no-store"}
    return web.Response(body=text, headers=headers)


ROUTES = (web.get("/metrics", metrics),)
