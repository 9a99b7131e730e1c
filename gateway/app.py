"""Puts the application together from its parts."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from itertools import chain
from typing import TYPE_CHECKING

from aiohttp import web

from gateway.api import (
    begin,
    events,
    executions,
    functions,
    health,
    listing,
    metrics,
    signals,
    workers,
)
from gateway.api.callbacks import CallbackChecker
from gateway.api.health import presence_of
from gateway.api.keys import (
    ACTIVITIES,
    BACKEND,
    BEGIN_LIMITER,
    CALLBACK_CHECKER,
    CATALOG,
    DRAINING,
    EVENT_STREAMS,
    INPUTS,
    LONG_POLLS,
    METRICS,
    NEW_IDS,
    PASSED_ON,
    READER,
    SCRAPES,
    STATE_CONTENTS,
    WORKERS,
)
from gateway.api.responses import StateContents
from gateway.backend.client import Backend
from gateway.cells.parts import Cells
from gateway.concurrency.ending import Ending
from gateway.concurrency.limiter import Limiter
from gateway.dashboard import routes as dashboard
from gateway.dashboard.board import Board
from gateway.dashboard.counts import NewestExecutions
from gateway.dashboard.files import PageFiles
from gateway.dashboard.live import Live
from gateway.dashboard.reads import Reads
from gateway.dashboard.routes import LIVE, PAGE_CONTENTS
from gateway.dashboard.snapshot import Snapshots
from gateway.http.access_log import AccessLog
from gateway.http.body import expect
from gateway.http.budgets import AnswerBudget, BodyBudget
from gateway.http.keys import (
    ACCESS_LOG,
    ANSWER_BUDGET,
    BODY_BUDGET,
    CELL,
    PASSED_BODY_BUDGET,
    SETTINGS,
)
from gateway.http.middleware import surround
from gateway.http.routing import add_routes
from gateway.inputs.reading import Inputs
from gateway.inputs.served_catalog import CurrentCatalog
from gateway.metrics.counts import GatewayMetrics
from gateway.metrics.gauges import Parts, read_gauges
from gateway.metrics.promise_numbers import PromiseNumbers
from gateway.metrics.scrapes import Scrapes
from gateway.model.new_ids import NewIds
from gateway.openapi import routes as documentation
from gateway.openapi.routes import DOCUMENTATION, Documentation
from gateway.presence.deaths import Deaths
from gateway.presence.recoveries import Recoveries
from gateway.presence.workers import Workers
from gateway.updates.activities import Activities
from gateway.updates.cache import ExecutionCache
from gateway.updates.event_streams import EventStreams
from gateway.updates.long_polls import LongPolls
from gateway.updates.reader import Reader
from gateway.updates.subscriptions import Subscriptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from gateway.cells.hash_slots import SlotMap
    from gateway.inputs.served_catalog import ServedCatalog
    from gateway.settings import GatewaySettings

CELLS = web.AppKey[Cells | None]("cells")
SUBSCRIPTIONS = web.AppKey("subscriptions", Subscriptions)
DEATHS = web.AppKey("deaths", Deaths)
RECOVERIES = web.AppKey("recoveries", Recoveries)
PROMISE_NUMBERS = web.AppKey("promise_numbers", PromiseNumbers)


def create_app(
    settings: GatewaySettings,
    catalog: ServedCatalog,
    *,
    backend: Backend | None = None,
    slots: SlotMap | None = None,
) -> web.Application:
    """Return the application; it serves the functions of `catalog` until that is replaced.

    `backend` asks the server; by default it is made from the settings. The application closes it.
    `slots` is the slot map, where the settings name cells.
    """
    app = web.Application(client_max_size=settings.max_body)
    app[SETTINGS] = settings
    app[CATALOG] = CurrentCatalog(catalog)
    app[ANSWER_BUDGET] = AnswerBudget(settings.answer_budget)
    app[BODY_BUDGET] = BodyBudget(settings.body_budget)
    app[PASSED_BODY_BUDGET] = BodyBudget(settings.body_budget // 4)
    app[METRICS] = GatewayMetrics(on=settings.metrics)
    app[SCRAPES] = Scrapes(app[METRICS].meter)
    app[ACCESS_LOG] = AccessLog(app[METRICS].requested)
    app[DRAINING] = asyncio.Event()
    app[PASSED_ON] = Ending()
    app[DOCUMENTATION] = Documentation()
    app[CALLBACK_CHECKER] = CallbackChecker(settings.webhooks)
    app[INPUTS] = Inputs(settings.max_result_bytes)
    app[BEGIN_LIMITER] = Limiter(
        settings.begins, "Too many begins are running; try again a little later."
    )
    app[BACKEND] = backend or Backend(settings, app[METRICS].store.called)
    app[STATE_CONTENTS] = StateContents(app[BACKEND])
    _add_cells(app, slots)
    _add_presence(app)
    _add_updates(app, settings)
    _add_dashboard(app)
    app.on_shutdown.append(_drain)
    parts = (app[ACCESS_LOG], app[DOCUMENTATION], app[PAGE_CONTENTS], app[SCRAPES])
    app.cleanup_ctx.extend((*(part.running for part in parts), _running))
    _add_routes(app)
    return app


def _add_routes(app: web.Application) -> None:
    about_ids = [*begin.ROUTES, *executions.ROUTES, *events.ROUTES, *signals.ROUTES]
    about_executions: Iterable[web.RouteDef] = (*about_ids, *listing.ROUTES)
    cells = app[CELLS]
    if cells is not None:
        about_executions = cells.routes(about_ids, listing.ROUTES)
    others = (functions, workers, health, metrics, documentation, dashboard)
    routes = chain(about_executions, *(each.ROUTES for each in others))
    add_routes(app, routes, surround, expect)
    app[METRICS].add_routes(
        (route.method, route.resource.canonical) for route in app.router.routes() if route.resource
    )


def _add_cells(app: web.Application, slots: SlotMap | None) -> None:
    """Add what is known of other cells, if there are any."""
    settings = app[SETTINGS].cells
    cells = app[CELLS] = (
        None
        if settings is None or slots is None
        else Cells.of(settings, slots, app[BACKEND], app[METRICS])
    )
    app[CELL] = "" if settings is None else settings.name
    app[NEW_IDS] = NewIds() if cells is None else cells.ids
    if cells is not None:
        app.cleanup_ctx.append(cells.peers.running)


def _add_presence(app: web.Application) -> None:
    """Add what is known of workers."""
    app[WORKERS] = Workers()
    app[DEATHS] = Deaths(app[WORKERS], app[BACKEND].releases)
    app[RECOVERIES] = Recoveries(app[BACKEND].clock.time)
    app[RECOVERIES].listen(lambda recovery: app[METRICS].recovered(recovery.seconds))
    app[WORKERS].observers.append(app[RECOVERIES])


def _add_updates(app: web.Application, settings: GatewaySettings) -> None:
    """Add what brings news of executions to the clients that wait."""
    cache = ExecutionCache()
    waiting = Limiter(settings.waiters, "Too many clients wait here; try again a little later.")
    app[READER] = Reader(app[BACKEND], cache, app[WORKERS])
    app[ACTIVITIES] = Activities(app[BACKEND], app[WORKERS])
    app[SUBSCRIPTIONS] = Subscriptions(app[BACKEND], cache, settings.server)
    app[SUBSCRIPTIONS].listen(lambda id, _: app[READER].note_change(id))
    app[LONG_POLLS] = LongPolls(app[READER], app[SUBSCRIPTIONS], cache, waiting)
    app[EVENT_STREAMS] = EventStreams(app[READER], app[SUBSCRIPTIONS], waiting)
    app[PROMISE_NUMBERS] = PromiseNumbers(app[BACKEND].searches.newest_number)
    if settings.metrics:
        app[SCRAPES].observers.append(app[PROMISE_NUMBERS].refresh)
    read_gauges(
        app[METRICS].meter,
        Parts(
            app[BACKEND],
            app[PROMISE_NUMBERS],
            app[BEGIN_LIMITER],
            waiting,
            app[EVENT_STREAMS],
            app[SUBSCRIPTIONS],
            app[WORKERS],
            app[DEATHS],
            app[DRAINING],
            bool(settings.presence.secret),
        ),
    )


def _add_dashboard(app: web.Application) -> None:
    """Add what the page at / shows."""
    app[PAGE_CONTENTS] = PageFiles()
    board = Board(app[RECOVERIES], app[BACKEND].clock.time)
    app[WORKERS].observers.append(board)
    newest = NewestExecutions(app[BACKEND], app[ACTIVITIES])
    snapshots = Snapshots(board, app[RECOVERIES], newest.function_of)
    reads = Reads(app[BACKEND], newest)
    app[LIVE] = Live(app[BACKEND], board, reads, snapshots, lambda: presence_of(app))


async def _drain(app: web.Application) -> None:
    app[DRAINING].set()
    app[PASSED_ON].end()
    app[LONG_POLLS].drain()
    app[EVENT_STREAMS].drain()
    app[LIVE].drain()


async def _running(app: web.Application) -> AsyncIterator[None]:
    cells = app[CELLS]
    async with (
        app[READER].running(),
        app[ACTIVITIES].running(),
        app[SUBSCRIPTIONS].running(),
        app[LONG_POLLS].running(),
        app[EVENT_STREAMS].running(),
        app[DEATHS].running(),
        app[LIVE].running(),
        app[PROMISE_NUMBERS].running(),
        nullcontext() if cells is None else cells.running(),
    ):
        yield
    app[CALLBACK_CHECKER].close()
    app[INPUTS].close()
    app[BACKEND].close()
