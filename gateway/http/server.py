"""Connections of clients: how long each may take for what, and answers to bytes that are no HTTP.

aiohttp bounds nothing of a request's way in and out but the idle time between two requests. Here a
request's head, and the taking of an answer, have an end as well. The body's is in `inputs.py`.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any, Final, cast

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from gateway.http.problems import INTERNAL, MALFORMED, OVERLONG_HEAD, problem_response
from gateway.keys import REQUEST_ID
from shared.log import get_logger

if TYPE_CHECKING:
    from gateway.settings import GatewaySettings, Limits

BACKLOG: Final = 4096
LINGER_SECONDS: Final = 2.0
"""For so long the rest of a body that was refused is thrown away, so that its sender reads why."""

NO_HTTP: Final = "this is no HTTP request; the connection is closed"
TOO_LONG: Final = "a line of the request's head is too long; the connection is closed"


class Connection(web.RequestHandler):
    """One connection of a client, that ends when the client is too slow.

    From the first byte of a request's head, or from the connection's begin, the head must be
    complete within `head` seconds, and every answer must be taken within `answer` seconds.
    """

    __slots__ = ("_answer_limit", "_answer_seconds", "_head_limit", "_head_seconds")

    def __init__(self, server: web.Server, head: float, answer: float, **aiohttp: Any) -> None:
        super().__init__(server, **aiohttp)
        self._head_seconds = head
        self._answer_seconds = answer
        self._head_limit: asyncio.TimerHandle | None = None
        self._answer_limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        # So that writing counts as paused for as long as there is anything left to be taken.
        cast("asyncio.WriteTransport", transport).set_write_buffer_limits(high=0)
        self._head_limit = self._loop.call_later(self._head_seconds, self._cut)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # aiohttp waits for a head to be complete, and for nothing else, with this future.
        incomplete = self._waiter is not None and not self._waiter.done()
        if incomplete and self._head_limit is None:
            self._head_limit = self._loop.call_later(self._head_seconds, self._cut)
        elif not incomplete and self._head_limit is not None:
            self._head_limit.cancel()
            self._head_limit = None

    def pause_writing(self) -> None:
        super().pause_writing()
        self._answer_limit = self._loop.call_later(self._answer_seconds, self._cut)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._answer_limit is not None:
            self._answer_limit.cancel()
            self._answer_limit = None

    def connection_lost(self, exc: BaseException | None) -> None:
        for limit in (self._head_limit, self._answer_limit):
            if limit is not None:
                limit.cancel()
        self._head_limit = self._answer_limit = None
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it shows what was sent
    ) -> web.StreamResponse:
        """Answer what aiohttp could not read, or what went wrong outside of our middlewares."""
        request_id = request[REQUEST_ID] = uuid.uuid4().hex
        log = get_logger(request_id=request_id)
        if status >= 500:
            log.error("request failed", exc_info=exc)
            response = problem_response(request, INTERNAL, "tell the operator the request_id")
        else:
            # What was sent may be anything, a token too, so it is not told.
            log.info("not a request", reason=type(exc).__name__)
            too_long = isinstance(exc, LineTooLong)
            problem, detail = (OVERLONG_HEAD, TOO_LONG) if too_long else (MALFORMED, NO_HTTP)
            response = problem_response(request, problem, detail, instance=None)
        response.headers["X-Request-Id"] = request_id
        response.force_close()
        return response

    def _cut(self) -> None:
        self._head_limit = self._answer_limit = None
        if self.transport is not None:
            self.transport.abort()  # closing would wait until what is left is taken


class Server(web.Server):
    """Makes a connection of the kind above for each client that connects."""

    def __init__(self, server: web.Server, limits: Limits) -> None:
        super().__init__(
            server.request_handler,
            request_factory=server.request_factory,
            handler_cancellation=True,
            loop=asyncio.get_running_loop(),
        )
        self._limits = limits

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
    """Runs the application with such connections; a request ends when its client has gone."""

    def __init__(self, app: web.Application, settings: GatewaySettings) -> None:
        super().__init__(
            app, handler_cancellation=True, shutdown_timeout=settings.deadlines.shutdown
        )
        self._limits = settings.limits

    async def _make_server(self) -> Server:
        return Server(await super()._make_server(), self._limits)
