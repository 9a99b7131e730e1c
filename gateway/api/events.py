"""GET /events: what happens to an execution, as server-sent events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import web
from aiohttp_sse import EventSourceResponse

from gateway.api.inputs import query_of, required_id
from gateway.errors import InvalidRequest
from gateway.keys import FOLLOWERS, WATCHERS
from gateway.model.timeline import done_key, id_of_key, key_of_id

if TYPE_CHECKING:
    from gateway.model.timeline import Key
    from gateway.updates.event_streams import Follower

LAST_EVENT_ID: Final = "Last-Event-ID"
COMMENT_SECONDS: Final = 15.0
SEND_SECONDS: Final = 30.0
"""A client that takes nothing for so long is cut off."""

RETRY: Final = b"retry: 1000\n\n"
HEADERS: Final = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}


async def events(request: web.Request) -> web.StreamResponse:
    """Stream events from the first one, or from where the client was, until `done`.

    204 tells a client that had `done` to come no more, as browsers do by themselves.
    """
    id = required_id(query_of(request, "id"))
    after = _after(request)
    if request.method == "HEAD":
        await request.app[WATCHERS].read(id)
        return web.Response(headers=HEADERS)
    # Read here: somebody else's follower may not know of the end yet, which the client has seen.
    if after is not None and after == done_key(await request.app[WATCHERS].read(id)):
        return web.Response(status=204, headers={"Cache-Control": "no-store"})
    async with request.app[FOLLOWERS].following(id) as follower:
        if request.transport is None:  # gone meanwhile
            return web.Response()
        return await _stream(request, follower, after)


async def _stream(
    request: web.Request, follower: Follower, after: Key | None
) -> web.StreamResponse:
    response = EventSourceResponse(
        sep="\n", send_timeout=SEND_SECONDS, ping_interval=COMMENT_SECONDS
    )
    response.headers.update(HEADERS)
    try:
        await response.prepare(request)
        async with response:
            await response.write(RETRY)
            async for told in follower.read(after):
                if told is not None:
                    event, data = told
                    await response.send(data, id=id_of_key(event.key), event=event.name)
                elif request.transport is None:
                    break
    except (ConnectionError, TimeoutError):
        pass  # the client has gone, or takes nothing
    return response


def _after(request: web.Request) -> Key | None:
    given = request.headers.getall(LAST_EVENT_ID, [])
    if not given:
        return None
    if len(given) > 1:
        raise InvalidRequest(f"the header {LAST_EVENT_ID} is given more than once")
    try:
        return key_of_id(given[0])
    except ValueError:
        raise InvalidRequest(
            f"{LAST_EVENT_ID} must be the id of an event of this execution"
        ) from None


ROUTES = (web.get("/events", events),)
