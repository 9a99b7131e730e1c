"""Typed keys of what the application and its requests carry."""

import asyncio

from aiohttp import web

from gateway.api.callbacks import Callbacks
from gateway.backend.client import Backend
from gateway.concurrency.limiter import Limiter
from gateway.concurrency.threads import SerialExecutor
from gateway.http.access_log import AccessLog
from gateway.http.trace_context import Trace
from gateway.model.representation import LastEnd
from gateway.settings import GatewaySettings
from gateway.updates.event_streams import Followers
from gateway.updates.long_polls import Watchers
from shared.catalog import Catalog

ACCESS_LOG = web.AppKey("access_log", AccessLog)
BACKEND = web.AppKey("backend", Backend)
READING = web.AppKey("reading", SerialExecutor)
SETTINGS = web.AppKey("settings", GatewaySettings)
DRAINING = web.AppKey("draining", asyncio.Event)
BEGINS = web.AppKey("begins", Limiter)
LAST_END = web.AppKey("last_end", LastEnd)
CATALOG = web.AppKey("catalog", Catalog)
CALLBACKS = web.AppKey("callbacks", Callbacks)
FOLLOWERS = web.AppKey("followers", Followers)
WATCHERS = web.AppKey("watchers", Watchers)
REQUEST_ID = web.RequestKey("request_id", str)
EXECUTION_ID = web.RequestKey("execution_id", str)
TRACE = web.RequestKey("trace", Trace)
