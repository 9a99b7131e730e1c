"""Typed keys of what the application and its requests carry."""

import asyncio

from aiohttp import web

from gateway.access_log import AccessLog
from gateway.callbacks import Callbacks
from gateway.engine import Engine
from gateway.follow import Followers
from gateway.offload import SerialExecutor
from gateway.places import Places
from gateway.tracing import Trace
from gateway.views import LastEnd
from gateway.watch import Watchers
from shared.settings import GatewaySettings

ACCESS_LOG = web.AppKey("access_log", AccessLog)
ENGINE = web.AppKey("engine", Engine)
READING = web.AppKey("reading", SerialExecutor)
SETTINGS = web.AppKey("settings", GatewaySettings)
DRAINING = web.AppKey("draining", asyncio.Event)
BEGINS = web.AppKey("begins", Places)
LAST_END = web.AppKey("last_end", LastEnd)
CALLBACKS = web.AppKey("callbacks", Callbacks)
FOLLOWERS = web.AppKey("followers", Followers)
WATCHERS = web.AppKey("watchers", Watchers)
REQUEST_ID = web.RequestKey("request_id", str)
EXECUTION_ID = web.RequestKey("execution_id", str)
TRACE = web.RequestKey("trace", Trace)
