"""GET /healthz, GET /readyz and the index at /."""

from __future__ import annotations

from typing import Final

from aiohttp import web
from msgspec import Struct

from gateway.api.keys import BACKEND, DRAINING
from gateway.errors import BackendUnavailable, Saturated, StoreNotWritable
from gateway.http.problems import UNAVAILABLE, problem_response
from gateway.http.responses import json_response

LINKS: Final = {
    **{
        name: f"/{name}"
        for name in (
            *("begin", "wait", "result", "events", "cancel", "signal", "list"),
            *("healthz", "readyz"),
        )
    },
    "openapi": "/openapi.json",
    "docs": "/docs",
}


class HealthBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The answer of a healthy gateway."""

    status: str = "ok"


class IndexBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The paths of this service."""

    service: str
    links: dict[str, str]


async def healthz(_: web.Request) -> web.Response:
    """Answer while the process's loop runs."""
    return json_response(HealthBody())


async def readyz(request: web.Request) -> web.Response:
    """Answer whether this gateway should be sent requests, and if not, which check fails."""
    if request.app[DRAINING].is_set():
        return problem_response(request, UNAVAILABLE, "draining: this gateway is shutting down")
    try:
        await request.app[BACKEND].ping()
    except Saturated:
        return problem_response(request, UNAVAILABLE, "threads: all of them are busy")
    except StoreNotWritable:
        return problem_response(request, UNAVAILABLE, "store: the server cannot write to it")
    except BackendUnavailable:
        return problem_response(request, UNAVAILABLE, "server: it does not answer")
    return json_response(HealthBody())


async def index(_: web.Request) -> web.Response:
    """List the paths."""
    return json_response(IndexBody("durable-http", LINKS), headers={})


ROUTES = (web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/", index))
