"""POST /signal: delivers a value to an execution that waits for it, or will."""

from __future__ import annotations

from aiohttp import web
from msgspec import Struct

from gateway.api.keys import BACKEND, INPUTS, READER
from gateway.api.parameters import key_of, required_id
from gateway.errors import InvalidRequest
from gateway.http.answers.responses import json_response
from gateway.http.query import query_of
from gateway.model.fields import Count, Id, PositiveCount, SignalName
from shared.ids import SIGNAL_GRAMMAR, is_signal_name


class DeliveredBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The answer to a signal that is delivered; `first` if this request delivered it.

    `number` is which value of the name it is, `waiting` how many the function has not taken.
    """

    promise_id: Id
    signal: SignalName
    delivered: bool
    first: bool
    number: PositiveCount
    waiting: Count


async def signal(request: web.Request) -> web.Response:
    """Deliver the body under a name: 202, or 200 if it was delivered before."""
    query = query_of(request, "id", "name")
    id, name, key = required_id(query), query.get("name", ""), key_of(request)
    if not is_signal_name(name):
        raise InvalidRequest(f"The name must match {SIGNAL_GRAMMAR.pattern}.")
    value_json = await request.app[INPUTS].read_canonical(request)
    try:
        delivery = await request.app[BACKEND].signal(id, name, value_json, key)
    finally:
        request.app[READER].note_change(id)  # also where it is known only now that it has ended
    body = DeliveredBody(
        promise_id=id,
        signal=name,
        delivered=True,
        first=delivery.first,
        number=delivery.number,
        waiting=delivery.waiting,
    )
    return json_response(body, status=202 if delivery.first else 200)


ROUTES = (web.post("/signal", signal),)
