"""POST /begin and GET /wait."""

from __future__ import annotations

from typing import Final

import uuid_utils
from aiohttp import web

from gateway import views
from gateway.inputs import checked_id, query_of, read_input
from gateway.keys import ENGINE
from gateway.model import NewExecution
from shared.catalog import CATALOG, DEFAULT_FUNCTION, Function
from shared.errors import BackendUnavailable, InvalidRequest, UnknownFunction

TIMEOUT_SECONDS: Final = 24 * 60 * 60
POLL_AFTER: Final = {"Retry-After": "1", "Cache-Control": "no-store"}
INCLUDES: Final = frozenset({"input", "steps"})


async def begin(request: web.Request) -> web.Response:
    """Start a durable execution, or find the one that this id already stands for."""
    query = query_of(request, "id", "function")
    id = checked_id(query["id"]) if "id" in query else str(uuid_utils.uuid7())
    function = _function(query.get("function", DEFAULT_FUNCTION))
    given = await read_input(request, function)
    new = NewExecution(
        id, function.name, function.version, given.json, given.fingerprint, TIMEOUT_SECONDS
    )
    try:
        execution, created = await request.app[ENGINE].begin(new)
    except BackendUnavailable as error:
        error.id = id
        raise
    headers = {"Location": f"/wait?id={id}", "Cache-Control": "no-store"}
    if not created:
        headers["Idempotent-Replayed"] = "true"
    if not execution.done:
        headers |= POLL_AFTER
    return views.json_response(
        views.begun(execution, created=created),
        status=200 if execution.done else 202,
        headers=headers,
    )


async def wait(request: web.Request) -> web.Response:
    """Tell the state of an execution, with its result or error once it has ended."""
    query = query_of(request, "id", "include")
    if "id" not in query:
        raise InvalidRequest("the parameter id is missing")
    include = frozenset(filter(None, query.get("include", "").split(",")))
    if not include <= INCLUDES:
        raise InvalidRequest(f"include takes {', '.join(sorted(INCLUDES))}, comma-separated")
    execution = await request.app[ENGINE].read(
        checked_id(query["id"]), with_steps="steps" in include
    )
    return views.json_response(
        views.state(execution, include), headers=None if execution.done else POLL_AFTER
    )


def _function(name: str) -> Function:
    try:
        return CATALOG[name]
    except KeyError:
        raise UnknownFunction(f"known functions: {', '.join(CATALOG)}") from None


ROUTES = (web.post("/begin", begin), web.get("/wait", wait))
