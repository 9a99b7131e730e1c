"""Assembles the application from its parts: knows everything, does nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from gateway import events, executions, health, listing, signals
from gateway.engine import GROUP
from gateway.follow import Followers
from gateway.keys import DRAINING, ENGINE, FOLLOWERS, SETTINGS, WATCHERS
from gateway.middleware import answer_errors, authorize, identify, observe
from gateway.watch import Watchers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.engine import Engine
    from shared.settings import GatewaySettings


def create_app(settings: GatewaySettings, engine: Engine) -> web.Application:
    """Return the application; it closes `engine` when it ends."""
    app = web.Application(
        middlewares=[observe, answer_errors, authorize], client_max_size=settings.max_body
    )
    app[SETTINGS] = settings
    app[ENGINE] = engine
    app[WATCHERS] = Watchers(engine, settings.server, GROUP, settings.waiters)
    app[FOLLOWERS] = Followers(engine, app[WATCHERS])
    app[DRAINING] = asyncio.Event()
    app.on_response_prepare.append(identify)
    app.on_shutdown.append(_drain)
    app.cleanup_ctx.append(_engine)
    for resource in (executions, events, signals, listing, health):
        app.add_routes(resource.ROUTES)
    return app


async def _drain(app: web.Application) -> None:
    app[DRAINING].set()
    app[WATCHERS].drain()
    app[FOLLOWERS].drain()


async def _engine(app: web.Application) -> AsyncIterator[None]:
    async with app[WATCHERS].running(), app[FOLLOWERS].running():
        yield
    app[ENGINE].close()
