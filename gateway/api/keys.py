"""Keys of the application's parts that the routes use."""

from __future__ import annotations

import asyncio

from aiohttp import web

from gateway.api.callbacks import CallbackChecker
from gateway.api.responses import StateContents
from gateway.backend.client import Backend
from gateway.concurrency.ending import Ending
from gateway.concurrency.limiter import Limiter
from gateway.inputs.reading import Inputs
from gateway.inputs.served_catalog import CurrentCatalog
from gateway.metrics.counts import GatewayMetrics
from gateway.metrics.scrapes import Scrapes
from gateway.model.new_ids import NewIds
from gateway.presence.workers import Workers
from gateway.updates.activities import Activities
from gateway.updates.event_streams import EventStreams
from gateway.updates.long_polls import LongPolls
from gateway.updates.reader import Reader

ACTIVITIES = web.AppKey("activities", Activities)
BACKEND = web.AppKey("backend", Backend)
BEGIN_LIMITER = web.AppKey("begin_limiter", Limiter)
CALLBACK_CHECKER = web.AppKey("callback_checker", CallbackChecker)
CATALOG = web.AppKey("catalog", CurrentCatalog)
DRAINING = web.AppKey("draining", asyncio.Event)
PASSED_ON = web.AppKey("passed_on", Ending)
"""Ends what only waits for another cell's answer, when this gateway drains."""
STATE_CONTENTS = web.AppKey("state_contents", StateContents)
EVENT_STREAMS = web.AppKey("event_streams", EventStreams)
INPUTS = web.AppKey("inputs", Inputs)
LONG_POLLS = web.AppKey("long_polls", LongPolls)
METRICS = web.AppKey("metrics", GatewayMetrics)
NEW_IDS = web.AppKey("new_ids", NewIds)
READER = web.AppKey("reader", Reader)
SCRAPES = web.AppKey("scrapes", Scrapes)
WORKERS = web.AppKey("workers", Workers)
