"""Keys of what every request and its application carry, whatever is served."""

from __future__ import annotations

from aiohttp import web

from gateway.http.access_log import AccessLog
from gateway.http.budgets import AnswerBudget, BodyBudget, BodyShare
from gateway.settings import GatewaySettings
from shared.telemetry.spans import TraceContext

SETTINGS = web.AppKey("settings", GatewaySettings)
ACCESS_LOG = web.AppKey("access_log", AccessLog)
ANSWER_BUDGET = web.AppKey("answer_budget", AnswerBudget)
BODY_BUDGET = web.AppKey("body_budget", BodyBudget)
BODY_SHARE = web.RequestKey("body_share", BodyShare)
REQUEST_ID = web.RequestKey("request_id", str)
TRACE = web.RequestKey("trace", TraceContext)
"""The span to which an execution belongs that the request begins."""
LOGGED_ID = web.RequestKey("logged_id", str)
"""The id in the request's log line, where that is not the parameter `id`."""
