"""Assembles the application from its parts: knows everything, does nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from gateway.api import events, executions, health, listing, signals
from gateway.api.callbacks import Callbacks
from gateway.backend.calls import GROUP
from gateway.backend.client import Backend
from gateway.concurrency.limiter import Limiter
from gateway.concurrency.threads import SerialExecutor
from gateway.http import body as bodies
from gateway.http.access_log import AccessLog
from gateway.http.auth import authorize
from gateway.http.middleware import answer_errors, identify, observe
from gateway.keys import (
    ACCESS_LOG,
    BACKEND,
    BEGINS,
    CALLBACKS,
    CATALOG,
    DRAINING,
    FOLLOWERS,
    LAST_END,
    READING,
    SETTINGS,
    WATCHERS,
)
from gateway.model.representation import LastEnd
from gateway.openapi import routes as docs
from gateway.updates.event_streams import Followers
from gateway.updates.long_polls import Watchers
from shared.catalog import SHIPPED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.settings import GatewaySettings
    from shared.catalog import Catalog


def create_app(
    settings: GatewaySettings, *, catalog: Catalog = SHIPPED, backend: Backend | None = None
) -> web.Application:
    """Return the application, which serves the functions of `catalog`.

    `backend` asks the server; without one, it is the real one of the settings. The application
    closes it when it ends.
    """
    backend = backend or Backend(settings)
    app = web.Application(
        middlewares=[observe, answer_errors, authorize], client_max_size=settings.max_body
    )
    app[SETTINGS] = settings
    app[ACCESS_LOG] = AccessLog()
    app[BACKEND] = backend
    app[CATALOG] = catalog
    app[CALLBACKS] = Callbacks(settings.webhooks)
    app[WATCHERS] = Watchers(backend, settings.server, GROUP, settings.waiters)
    app[BEGINS] = Limiter(
        settings.begins, "too many begins are under way; try again a little later"
    )
    app[READING] = SerialExecutor("reading")
    app[LAST_END] = LastEnd()
    app[FOLLOWERS] = Followers(backend, app[WATCHERS])
    app[DRAINING] = asyncio.Event()
    app.on_response_prepare.append(identify)
    app.on_shutdown.append(_drain)
    app.cleanup_ctx.append(app[ACCESS_LOG].running)
    app.cleanup_ctx.append(_backend)
    for resource in (executions, events, signals, listing, health, docs):
        app.add_routes(map(_patient, resource.ROUTES))
    return app


def _patient(route: web.RouteDef) -> web.RouteDef:
    """Have the handler say when the body may come; aiohttp would let it come before all else."""
    kwargs = {**route.kwargs, "expect_handler": bodies.expect}
    return web.RouteDef(route.method, route.path, route.handler, kwargs)


async def _drain(app: web.Application) -> None:
    app[DRAINING].set()
    app[WATCHERS].drain()
    app[FOLLOWERS].drain()


async def _backend(app: web.Application) -> AsyncIterator[None]:
    async with app[WATCHERS].running(), app[FOLLOWERS].running():
        yield
    app[CALLBACKS].close()
    app[READING].close()
    app[BACKEND].close()
