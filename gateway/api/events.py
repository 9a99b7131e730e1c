"""GET /events: the events of an execution, as server-sent events."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import msgspec
from aiohttp import web
from aiohttp_sse import EventSourceResponse

from gateway.api.keys import BACKEND, EVENT_STREAMS, READER
from gateway.api.parameters import required_id
from gateway.api.responses import content_of
from gateway.errors import InvalidRequest, ServiceError, ValueLost
from gateway.http.answers.responses import NO_STORE, LateContent
from gateway.http.budgets import PIECE, SMALL_ANSWER
from gateway.http.keys import ANSWER_BUDGET
from gateway.http.middleware import add_own_headers
from gateway.http.query import query_of
from gateway.model.representation import done_body
from gateway.model.timeline import done_key, id_of_key, key_of_id
from shared.resonate.codec import Failure

if TYPE_CHECKING:
    from gateway.backend.client import Backend
    from gateway.http.budgets import AnswerBudget, HeldContent
    from gateway.model.execution import Execution
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
    # An open stream may not know of the end yet, which this client has seen at another gateway, and
    # neither may a state that is kept for a moment.
    if after is not None and after == done_key(await request.app[READER].read_shared(id)):
        return web.Response(status=204, headers=NO_STORE)
    async with request.app[EVENT_STREAMS].open(id) as stream:
        if request.transport is None:  # the client has gone meanwhile
            return web.Response()
        return await _send(request, stream, after)


async def _send(request: web.Request, stream: EventStream, after: Key | None) -> web.StreamResponse:
    response = EventResponse(request.app[ANSWER_BUDGET], request.app[BACKEND])
    response.headers.update(HEADERS)
    try:
        add_own_headers(request, response)
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
    except (ConnectionError, ServiceError):
        pass  # the client has gone, or is to connect again when the event can be read and held
    return response


class EventResponse(EventSourceResponse):
    """Server-sent events; a large one is sent in pieces, from one copy for all its clients."""

    def __init__(self, budget: AnswerBudget, backend: Backend) -> None:
        super().__init__(sep="\n", send_timeout=SEND_SECONDS, ping_interval=COMMENT_SECONDS)
        self._budget = budget
        self._backend = backend
        self._whole = asyncio.Lock()

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write between two events; comments come from a task of their own."""
        async with self._whole:
            await super().write(data)

    async def send_event(self, key: str, event: Event, data: bytes) -> None:
        """Send an event with its data as JSON; `key` is equal for equal events only.

        Raises `TimeoutError`, `ConnectionError`, or a `ServiceError` before anything is sent.
        """
        head = f"id: {id_of_key(event.key)}\nevent: {event.name}\ndata: ".encode()
        async with asyncio.timeout(SEND_SECONDS):
            held: HeldContent | None = None
            if event.data is None and event.ended is not None:
                held, data = await self._read_done(key, event.ended)
            elif len(data) > SMALL_ANSWER:
                held = self._budget.hold(key, len(data))
                held.set(data)
            if held is None:
                await self.write(head + data + b"\n\n")
                return
            async with self._whole:
                await self._send_large(head, held)

    async def _read_done(self, key: str, ended: Execution) -> tuple[HeldContent | None, bytes]:
        """Return the data of `done` with a large result; an error without one that is lost."""
        content = content_of(self._backend, ended, _done)
        if not isinstance(content, LateContent):
            return None, content.raw
        held = self._budget.hold(key, content.size)
        try:
            return held, await held.read(content.read)
        except ValueLost as lost:  # the client would ask for this event for ever
            error = Failure("ValueLost", lost.detail)
            return None, _done(replace(ended, result=None, error=error))

    async def _send_large(self, head: bytes, held: HeldContent) -> None:
        transport = self._req.transport if self._req is not None else None
        with held.sending(transport) as reader:
            await super().write(head)
            view = memoryview(held.raw)
            for start in range(0, len(view), PIECE):
                await super().write(view[start : start + PIECE])
                reader.moved_at = time.monotonic()
            await super().write(b"\n\n")


def _done(execution: Execution) -> bytes:
    return msgspec.json.encode(done_body(execution))


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
