"""GET /events: the events of an execution, as server-sent events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import web
from aiohttp_sse import EventSourceResponse

from gateway.api.keys import EVENT_STREAMS, READER
from gateway.api.parameters import required_id
from gateway.errors import InvalidRequest
from gateway.http.query import query_of
from gateway.http.responses import NO_STORE
from gateway.model.timeline import done_key, id_of_key, key_of_id

if TYPE_CHECKING:
    from gateway.model.timeline import Key
    from gateway.updates.event_streams import EventStream

LAST_EVENT_ID: Final = "Last-Event-ID"
COMMENT_SECONDS: Final = 15.0
"""Seconds between two comments, which keep the connection alive."""

SEND_SECONDS: Final = 30.0
"""Seconds after which a client that takes nothing is disconnected."""

RETRY: Final = b"retry: 1000\n\n"
HEADERS: Final = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}


async def events(request: web.Request) -> web.StreamResponse:
    """Stream the events after `Last-Event-ID`, or all of them, until `done`.

    A client that has had `done` is answered 204, after which browsers do not reconnect.
    """
    id = required_id(query_of(request, "id"))
    after = _after(request)
    if request.method == "HEAD":
        await request.app[READER].read(id)
        return web.Response(headers=HEADERS)
    # An open stream may not know of the end yet, which this client has seen at another gateway.
    if after is not None and after == done_key(await request.app[READER].read(id)):
        return web.Response(status=204, headers=NO_STORE)
    async with request.app[EVENT_STREAMS].open(id) as stream:
        if request.transport is None:  # the client has gone meanwhile
            return web.Response()
        return await _send(request, stream, after)


async def _send(request: web.Request, stream: EventStream, after: Key | None) -> web.StreamResponse:
    response = EventSourceResponse(
        sep="\n", send_timeout=SEND_SECONDS, ping_interval=COMMENT_SECONDS
    )
    response.headers.update(HEADERS)
    try:
        await response.prepare(request)
        async with response:
            await response.write(RETRY)
            async for item in stream.read(after):
                if item is not None:
                    event, data = item
                    await response.send(data, id=id_of_key(event.key), event=event.name)
                elif request.transport is None:
                    break
    except (ConnectionError, TimeoutError):
        pass  # the client has gone, or takes nothing
    return response


def _after(request: web.Request) -> Key | None:
    """Return the key of the event to continue behind; an empty header counts as none."""
    headers = request.headers.getall(LAST_EVENT_ID, [])
    if len(headers) > 1:
        raise InvalidRequest(f"The header {LAST_EVENT_ID} is given more than once.")
    if not headers or not headers[0].strip():
        return None
    try:
        return key_of_id(headers[0].strip())
    except ValueError:
        raise InvalidRequest(
            f"{LAST_EVENT_ID} must be the id of an event of this execution."
        ) from None


ROUTES = (web.get("/events", events),)
