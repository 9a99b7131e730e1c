"""Keys of what every request and its application carry, whatever is served."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from gateway.http.access_log import AccessLog
from gateway.http.budgets import AnswerBudget, BodyBudget, BodyShare
from gateway.settings import GatewaySettings
from shared.telemetry.spans import TraceContext

SETTINGS = web.AppKey("settings", GatewaySettings)
ACCESS_LOG = web.AppKey("access_log", AccessLog)
ANSWER_BUDGET = web.AppKey("answer_budget", AnswerBudget)
BODY_BUDGET = web.AppKey("body_budget", BodyBudget)
PASSED_BODY_BUDGET = web.AppKey("passed_body_budget", BodyBudget)
"""For bodies that are passed on to other cells, of which one that is frozen keeps them for long."""

BODY_SHARE = web.RequestKey("body_share", BodyShare)
CELL = web.AppKey("cell", str)
"""The name of this gateway's cell, empty where there are no cells."""

CELL_HOP: Final = "X-Cell-Hop"
"""The header of a request from one cell's gateway to another one's: which cell is meant, and how.

`b/owner`: answer as the cell to which the id's hash slot belongs. `b/store`: answer for what is
stored in this cell, and for nothing else. `b/has`: say only whether the id is stored in this cell.
None is passed on to an owner again.
"""

ANSWERING_CELL: Final = "X-Cell"
"""The header of its answer: the cell that answers, without which nobody's answer counts."""

REQUEST_ID = web.RequestKey("request_id", str)
TRACE = web.RequestKey("trace", TraceContext)
"""The span to which an execution belongs that the request begins."""
LOGGED_ID = web.RequestKey("logged_id", str)
"""The id in the request's log line, where that is not the parameter `id`."""
