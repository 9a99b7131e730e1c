"""Connections of clients: time limits, and answers to bytes that are not HTTP.

aiohttp limits only the idle time between two requests. Here are limits for the time of a head, the
time for taking an answer, and the number of connections; the time for a body is in `body.py`. A
connection whose requests come without a pause lets others go first.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any, Final, cast

from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage, LineTooLong

from gateway.http.answers.problems import (
    INTERNAL,
    MALFORMED,
    OVERLONG_HEAD,
    REPORT_TO_OPERATOR,
    SERVER_NAME,
    problem_response,
)
from gateway.http.connection_limit import Room, refusal
from gateway.http.keys import REQUEST_ID
from gateway.http.middleware import surround, surround_refusals
from gateway.http.routing import require_surrounded
from shared.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gateway.http.answers.problems import Problem
    from gateway.settings import GatewaySettings, Limits

    type RequestHandler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

BACKLOG: Final = 4096
LINGER_SECONDS: Final = 2.0
"""Seconds for which the rest of a refused body is read, so that its sender reads the answer."""

NO_HTTP: Final = "This is no HTTP request; the connection is closed."
TOO_LONG: Final = "A line of the request's head is too long; the connection is closed."
TOO_MANY: Final = "The request has too many headers; the connection is closed."
TOO_MANY_REASON: Final = "Too many headers received"
"""What aiohttp says of more headers than it takes; the error has no class of its own."""


class Connection(web.RequestHandler):
    """One connection of a client; it is closed when the client is too slow.

    A request's head must be complete within `head` seconds of its first byte, or of the start of
    the connection. Every answer must be taken within `answer` seconds.
    """

    __slots__ = ("_answer_seconds", "_answer_timer", "_connections", "_head_seconds", "_head_timer")

    def __init__(self, server: Server, head: float, answer: float, **aiohttp: Any) -> None:
        super().__init__(server, **aiohttp)
        self._connections = server
        self._head_seconds = head
        self._answer_seconds = answer
        self._head_timer: asyncio.TimerHandle | None = None
        self._answer_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        # With a limit of 0, writing counts as paused while the client has anything left to take.
        cast("asyncio.WriteTransport", transport).set_write_buffer_limits(high=0)
        self._head_timer = self._loop.call_later(self._head_seconds, self._cut)
        if self._connections.room.is_overfull():
            # A client that sends its request meanwhile may see a reset connection instead.
            cast("asyncio.WriteTransport", transport).write(refusal())
            self.force_close()

    async def _handle_request(self, *request: Any) -> tuple[web.StreamResponse, bool]:
        # The next request of this connection has come already: let other connections go first.
        # aiohttp would handle all that are there in one turn of the loop.
        if self._messages:
            await asyncio.sleep(0)
        return await super()._handle_request(*request)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # aiohttp waits with this future for a complete head, and for nothing else.
        incomplete = self._waiter is not None and not self._waiter.done()
        if incomplete and self._head_timer is None:
            self._head_timer = self._loop.call_later(self._head_seconds, self._cut)
        elif not incomplete and self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def pause_writing(self) -> None:
        super().pause_writing()
        self._answer_timer = self._loop.call_later(self._answer_seconds, self._cut)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._answer_timer is not None:
            self._answer_timer.cancel()
            self._answer_timer = None

    def connection_lost(self, exc: BaseException | None) -> None:
        for timer in (self._head_timer, self._answer_timer):
            if timer is not None:
                timer.cancel()
        self._head_timer = self._answer_timer = None
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it shows what was sent
    ) -> web.StreamResponse:
        """Answer what aiohttp could not read, and errors outside of our middlewares."""
        request_id = request[REQUEST_ID] = uuid.uuid4().hex
        log = get_logger(request_id=request_id)
        if status >= 500:
            log.error("request failed", exc_info=exc)
            response = problem_response(request, INTERNAL, REPORT_TO_OPERATOR)
        else:
            # What was sent may be anything, even a token, so it is not logged.
            log.info("not a request", reason=type(exc).__name__)
            problem, detail = _refusal(exc)
            response = problem_response(request, problem, detail, show_path=False)
        response.headers["X-Request-Id"] = request_id
        response.headers["Server"] = SERVER_NAME
        response.force_close()
        return response

    def _cut(self) -> None:
        self._head_timer = self._answer_timer = None
        if self.transport is not None:
            self.transport.abort()  # close() would wait for the client to take what is left


def _refusal(error: BaseException | None) -> tuple[Problem, str]:
    """Return the problem of what aiohttp could not read, and its detail."""
    if isinstance(error, LineTooLong):
        return OVERLONG_HEAD, TOO_LONG
    if isinstance(error, BadHttpMessage) and error.message == TOO_MANY_REASON:
        return OVERLONG_HEAD, TOO_MANY
    return MALFORMED, NO_HTTP


class Server(web.Server):
    """Makes a `Connection` for each client that connects, and counts them."""

    def __init__(self, server: web.Server, limits: Limits, room: Room) -> None:
        super().__init__(
            cast("RequestHandler", surround_refusals(server.request_handler)),
            request_factory=server.request_factory,
            handler_cancellation=True,
            loop=asyncio.get_running_loop(),
        )
        self._limits = limits
        self.room = room

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        self.room.taken += 1

    def connection_lost(
        self, handler: web.RequestHandler, exc: BaseException | None = None
    ) -> None:
        super().connection_lost(handler, exc)
        self.room.taken -= 1

    def __call__(self) -> Connection:
        return Connection(
            self,
            self._limits.head,
            self._limits.answer,
            loop=self._loop,
            access_log=None,
            keepalive_timeout=self._limits.idle,
            lingering_time=LINGER_SECONDS,
            auto_decompress=False,
        )


class Runner(web.AppRunner):
    """Runs an application on `Connection`s; a request is cancelled when its client has gone."""

    def __init__(self, app: web.Application, settings: GatewaySettings) -> None:
        super().__init__(
            app, handler_cancellation=True, shutdown_timeout=settings.deadlines.shutdown
        )
        self._limits = settings.limits
        self._most = settings.max_connections

    async def _make_server(self) -> Server:
        require_surrounded(self.app, surround)
        return Server(await super()._make_server(), self._limits, Room(self._most))
