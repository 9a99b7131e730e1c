"""GET /healthz, GET /readyz, and the index for programs at /."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal

from aiohttp import web
from msgspec import UNSET, Meta, Struct, UnsetType

from gateway.api.keys import BACKEND, DRAINING, NEW_IDS, WORKERS
from gateway.errors import BackendUnavailable, Saturated, StoreNotWritable
from gateway.http.answers.problems import UNAVAILABLE, problem_response
from gateway.http.answers.responses import json_response
from gateway.http.keys import SETTINGS

if TYPE_CHECKING:
    from gateway.backend.client import Backend

LINKS: Final = {
    **{
        name: f"/{name}"
        for name in (
            *("begin", "wait", "result", "events", "cancel", "signal", "list"),
            *("functions", "workers", "healthz", "readyz", "metrics"),
        )
    },
    "openapi": "/openapi.json",
    "docs": "/docs",
}

MOST_SKEW_SECONDS: Final = 10.0
"""Seconds that this machine's clock may differ from the server's, by which all deadlines are
computed; times in logs are not."""

CHECK_SECONDS: Final = 0.5
"""Seconds that the server has to answer a check: orchestrators give up after one second, and take a
gateway that has not answered for one that is not ready."""


class HealthBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The answer of a healthy gateway."""

    status: str = "ok"


class ReadyBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The answer of a gateway that may be sent requests."""

    presence: Literal["on", "no workers", "off"]
    status: Literal["ok", "degraded"] = "ok"
    detail: Annotated[str, Meta(description="The check that fails.")] | UnsetType = UNSET


class IndexBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The paths of this service."""

    service: str
    links: dict[str, str]


async def healthz(_: web.Request) -> web.Response:
    """Answer while the process's loop runs."""
    return json_response(HealthBody())


async def readyz(request: web.Request) -> web.Response:
    """Answer 503 while this gateway shuts down, else 200 with the check that fails."""
    if request.app[DRAINING].is_set():
        return problem_response(request, UNAVAILABLE, "draining: this gateway is shutting down")
    backend = request.app[BACKEND]
    fault = (
        await _fault_of_all(backend)
        or request.app[NEW_IDS].fault
        or _fault_of_clock(backend.clock.skew)
    )
    presence = presence_of(request.app)
    return json_response(
        ReadyBody(presence) if fault is None else ReadyBody(presence, "degraded", fault)
    )


async def _fault_of_all(backend: Backend) -> str | None:
    """Return the check that fails, of those that are likely to fail at all gateways, or None.

    A load balancer that took all gateways away would answer in their place, without `Retry-After`.
    """
    try:
        await backend.ping(CHECK_SECONDS)
    except Saturated:
        return "threads: all of them are busy"
    except StoreNotWritable:
        return "store: the server cannot write to it"
    except BackendUnavailable:
        return "server: it does not answer"
    return None


def _fault_of_clock(skew: float) -> str | None:
    """Return what is wrong with the clock, which is no reason to take a gateway away.

    Where it is the server's clock that was set, all gateways find the same.
    """
    if abs(skew) <= MOST_SKEW_SECONDS:
        return None
    return f"clock: {abs(skew):.0f} s {'behind' if skew > 0 else 'ahead of'} the server's"


def presence_of(app: web.Application) -> Literal["on", "no workers", "off"]:
    """Return whether this gateway notices the death of a worker at once."""
    if not app[SETTINGS].presence.secret:
        return "off"
    return "on" if app[WORKERS] else "no workers"


def index() -> web.Response:
    """Return the list of the paths, for programs; `gateway.dashboard` has the page for people."""
    return json_response(IndexBody("durable-http", LINKS), headers={})


ROUTES = (web.get("/healthz", healthz), web.get("/readyz", readyz))
