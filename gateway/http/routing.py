"""Routes with what surrounds each of them; a request's route, and which form of answer it wants."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Final

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from aiohttp.typedefs import Handler

    type Surround = Callable[[Handler, web.Request], Awaitable[web.StreamResponse]]
    type Expect = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


QUALITY: Final = re.compile(r"q=([01](?:\.\d{0,3})?)", re.IGNORECASE)
"""The weight of a media range (RFC 9110, 12.4.2); without one it is 1."""


def add_routes(
    app: web.Application, routes: Iterable[web.RouteDef], surround: Surround, expect: Expect
) -> None:
    """Add routes to an application, each handler within `surround`, as within a middleware.

    Middlewares of aiohttp itself would take a tenth of the time of a small request. `expect` deals
    with `Expect: 100-continue`.
    """
    for route in routes:
        kwargs = {**route.kwargs, "expect_handler": expect}
        handler = partial(surround, route.handler)
        web.RouteDef(route.method, route.path, handler, kwargs).register(app.router)


def require_surrounded(app: web.Application, surround: Surround) -> None:
    """Raise `RuntimeError` for a route that was added in another way: it would need no token."""
    for route in app.router.routes():
        if not isinstance(route.handler, partial) or route.handler.func is not surround:
            raise RuntimeError(f"{route.resource} was not added by add_routes")


def path_of_route(request: web.Request) -> str | None:
    """Return the path of the route that takes a request, None if no route does.

    One path can be written in several ways, of which this is always the same.
    """
    resource = request.match_info.route.resource
    return None if resource is None else resource.canonical


def prefers_html(request: web.Request) -> bool:
    """Return whether a client wants HTML more than JSON, as browsers do and nobody else.

    Who takes anything, as curl does, or names both, gets JSON.
    """
    accepted = ",".join(request.headers.getall("Accept", ()))
    return bool(accepted) and _wish(accepted, "text/html") > _wish(accepted, "application/json")


def _wish(accepted: str, kind: str) -> tuple[float, int]:
    """Return the weight of a media type, and how exactly it is named: 2, 1 by `/*`, 0 by `*/*`."""
    ranges = ("*/*", f"{kind.partition('/')[0]}/*", kind)
    weight, exactness = 0.0, -1
    for each in accepted.split(","):
        name, *parameters = (part.strip() for part in each.split(";"))
        if name.lower() not in ranges or ranges.index(name.lower()) < exactness:
            continue
        found = filter(None, map(QUALITY.fullmatch, parameters))
        weight = next((float(match[1]) for match in found), 1.0)
        exactness = ranges.index(name.lower())
    return weight, exactness if weight else -1
