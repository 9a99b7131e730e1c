"""GET /healthz, GET /readyz and the index at /."""

from __future__ import annotations

from aiohttp import web

from gateway.errors import BackendUnavailable, Saturated
from gateway.http.problems import UNAVAILABLE, problem_response
from gateway.keys import BACKEND, DRAINING
from gateway.model.representation import json_response

NO_STORE = {"Cache-Control": "no-store"}


async def healthz(_: web.Request) -> web.Response:
    """Answer while the process's loop turns."""
    return json_response({"status": "ok"}, headers=NO_STORE)


async def readyz(request: web.Request) -> web.Response:
    """Tell whether this gateway should be sent requests, and if not, which check fails."""
    if request.app[DRAINING].is_set():
        return problem_response(request, UNAVAILABLE, "draining: this gateway is shutting down")
    try:
        await request.app[BACKEND].ping()
    except Saturated:
        return problem_response(request, UNAVAILABLE, "threads: all of them are busy")
    except BackendUnavailable:
        return problem_response(request, UNAVAILABLE, "server: it does not answer")
    return json_response({"status": "ok"}, headers=NO_STORE)


async def index(_: web.Request) -> web.Response:
    """Tell what there is."""
    names = (
        *("begin", "wait", "result", "events", "cancel", "signal", "list"),
        *("healthz", "readyz"),
    )
    links = {name: f"/{name}" for name in names}
    links |= {"openapi": "/openapi.json", "docs": "/docs"}
    return json_response({"service": "durable-http", "links": links})


ROUTES = (web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/", index))
