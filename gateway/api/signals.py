"""POST /signal: delivers a value to an execution that waits for it, or will."""

from __future__ import annotations

from aiohttp import web
from msgspec import Struct

from gateway.api.keys import BACKEND, INPUTS, READER
from gateway.api.parameters import required_id
from gateway.errors import InvalidRequest
from gateway.http.query import query_of
from gateway.http.responses import json_response
from gateway.model.fields import Id, SignalName
from shared.ids import SIGNAL_GRAMMAR, is_signal_name


class DeliveredBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The answer to a signal that is delivered; `first` if this request delivered it."""

    promise_id: Id
    signal: SignalName
    delivered: bool
    first: bool


async def signal(request: web.Request) -> web.Response:
    """Deliver the body under a name: 202, or 200 if this value was delivered before."""
    query = query_of(request, "id", "name")
    id, name = required_id(query), query.get("name", "")
    if not is_signal_name(name):
        raise InvalidRequest(f"The name must match {SIGNAL_GRAMMAR.pattern}.")
    value_json = await request.app[INPUTS].read_canonical(request)
    first = await request.app[BACKEND].signal(id, name, value_json)
    request.app[READER].note_change(id)
    body = DeliveredBody(promise_id=id, signal=name, delivered=True, first=first)
    return json_response(body, status=202 if first else 200)


ROUTES = (web.post("/signal", signal),)
