"""Routes with what surrounds each of them, and the path of a request's route."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from aiohttp.typedefs import Handler

    type Surround = Callable[[Handler, web.Request], Awaitable[web.StreamResponse]]
    type Expect = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


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
