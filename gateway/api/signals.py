"""POST /signal: delivers a value to an execution that waits for it, or will."""

from __future__ import annotations

from aiohttp import web

from gateway.api.inputs import query_of, read_canonical, required_id
from gateway.errors import InvalidRequest
from gateway.keys import BACKEND
from gateway.model import representation as views
from shared.ids import SIGNAL_GRAMMAR, is_signal_name


async def signal(request: web.Request) -> web.Response:
    """Deliver the body under a name: 202, or 200 if it was delivered before with this value."""
    query = query_of(request, "id", "name")
    id, name = required_id(query), query.get("name", "")
    if not is_signal_name(name):
        raise InvalidRequest(f"name must match {SIGNAL_GRAMMAR.pattern}")
    value_json = await read_canonical(request)
    first = await request.app[BACKEND].signal(id, name, value_json)
    body = {"promise_id": id, "signal": name, "delivered": True, "first": first}
    return views.json_response(
        body, status=202 if first else 200, headers={"Cache-Control": "no-store"}
    )


ROUTES = (web.post("/signal", signal),)
