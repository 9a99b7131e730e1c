"""GET /events: the events of an execution, as server-sent events."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from aiohttp import web
from aiohttp_sse import EventSourceResponse

from gateway.api.keys import EVENT_STREAMS, READER
from gateway.api.parameters import required_id
from gateway.errors import InvalidRequest, Overloaded
from gateway.http.budgets import PIECE, SMALL_ANSWER
from gateway.http.keys import ANSWER_BUDGET
from gateway.http.query import query_of
from gateway.http.responses import NO_STORE
from gateway.model.timeline import done_key, id_of_key, key_of_id

if TYPE_CHECKING:
    from gateway.http.budgets import AnswerBudget
    from gateway.model.timeline import Event, Key
    from gateway.updates.event_streams import EventStream

LAST_EVENT_ID: Final = "Last-Event-ID"
COMMENT_SECONDS: Final = 15.0
"""Seconds between two comments, which keep the connection alive."""

SEND_SECONDS: Final = 30.0
"""Seconds after which a client that has not taken an event is disconnected."""

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
    response = EventResponse(request.app[ANSWER_BUDGET])
    response.headers.update(HEADERS)
    try:
        await response.prepare(request)
        async with response:
            await response.write(RETRY)
            async for item in stream.read(after):
                if item is not None:
                    event, data = item
                    await response.send_event(f"{stream.id} {id_of_key(event.key)}", event, data)
                elif request.transport is None:
                    break
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()  # close() would wait for the client to take what is left
    except (ConnectionError, Overloaded):
        pass  # the client has gone, or is to connect again when there is room for the event
    return response


class EventResponse(EventSourceResponse):
    """Server-sent events; a large one is sent in pieces, from one copy for all its clients."""

    def __init__(self, budget: AnswerBudget) -> None:
        super().__init__(sep="\n", send_timeout=SEND_SECONDS, ping_interval=COMMENT_SECONDS)
        self._budget = budget
        self._whole = asyncio.Lock()

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write between two events; comments come from a task of their own."""
        async with self._whole:
            await super().write(data)

    async def send_event(self, key: str, event: Event, data: bytes) -> None:
        """Send an event with its data as JSON; `key` is equal for equal events only.

        Raises `TimeoutError`, `ConnectionError`, or `Overloaded` before anything is sent.
        """
        head = f"id: {id_of_key(event.key)}\nevent: {event.name}\ndata: ".encode()
        async with asyncio.timeout(SEND_SECONDS):
            if len(data) <= SMALL_ANSWER:
                await self.write(head + data + b"\n\n")
            else:
                self._budget.require(key, len(data))
                async with self._whole:
                    await self._send_large(key, head, data)

    async def _send_large(self, key: str, head: bytes, data: bytes) -> None:
        transport = self._req.transport if self._req is not None else None
        with self._budget.sending(key, data, transport) as (reader, shared):
            await super().write(head)
            view = memoryview(shared)
            for start in range(0, len(shared), PIECE):
                await super().write(view[start : start + PIECE])
                reader.moved_at = time.monotonic()
            await super().write(b"\n\n")


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
