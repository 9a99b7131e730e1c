"""Typed keys of what the application and its requests carry."""

import asyncio

from aiohttp import web

from gateway.engine import Engine
from gateway.follow import Followers
from gateway.watch import Watchers
from shared.settings import GatewaySettings

ENGINE = web.AppKey("engine", Engine)
SETTINGS = web.AppKey("settings", GatewaySettings)
DRAINING = web.AppKey("draining", asyncio.Event)
FOLLOWERS = web.AppKey("followers", Followers)
WATCHERS = web.AppKey("watchers", Watchers)
REQUEST_ID = web.RequestKey("request_id", str)
