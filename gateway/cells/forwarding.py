"""Passes a client's request on to another cell, and the answer back."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from gateway.api.keys import DRAINING, PASSED_ON
from gateway.api.parameters import preferred_wait, requested_wait
from gateway.cells.gateways import Question
from gateway.concurrency.ending import Ending
from gateway.errors import BackendUnavailable, InvalidRequest
from gateway.http.body import read_raw
from gateway.http.keys import (
    ANSWERING_CELL,
    BODY_SHARE,
    CELL_HOP,
    PASSED_BODY_BUDGET,
    REQUEST_ID,
    SETTINGS,
)
from gateway.http.middleware import WITH_BODIES, add_own_headers
from gateway.http.routing import path_of_route

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.cells.gateways import Hop
    from gateway.cells.hash_slots import SlotMap
    from gateway.cells.peers import Peers

OF_CONNECTIONS: Final = frozenset(
    (
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te"),
        *("proxy-connection", "trailer", "transfer-encoding", "upgrade", "content-length"),
    )
)
"""Headers that are about one connection (RFC 9110, 7.6.1), and the length, which is set anew."""

ANSWER_SECONDS: Final = 4.8
"""Seconds until an answer that waits for nothing begins, whichever gateways are asked.

This is more than a call to the server takes, and ends before a client's five seconds do.
"""

UNSENDABLE: Final = re.compile(r"[\ud800-\udfff]")
"""What stands for a byte that is no UTF-8."""

BEGIN: Final = "/begin"
CANCEL: Final = "/cancel"
EVENTS: Final = "/events"
WAIT: Final = "/wait"

OF_BROWSERS: Final = frozenset({"host", "origin", "sec-fetch-site"})
"""Headers that this gateway has checked, by its own names; another one may have others."""

NOT_PASSED: Final = OF_CONNECTIONS | OF_BROWSERS | {"expect", "x-request-id", CELL_HOP.lower()}
NOT_RETURNED: Final = OF_CONNECTIONS | {"server", "date", "x-request-id", ANSWERING_CELL.lower()}


async def pass_on(
    request: web.Request,
    peers: Peers,
    slots: SlotMap,
    hop: Hop,
    new_id: str | None = None,
) -> web.StreamResponse:
    """Answer a request with the answer of another cell; a begin that has no id gets `new_id`.

    Raises `BackendUnavailable` if none comes, or this gateway shuts down before.
    """
    body = await _body_of(request)
    # The target of a request may name another host; of it only path and query are passed on.
    path, seconds = request.rel_url.raw_path_qs, ANSWER_SECONDS + _wait_of(request)
    headers = _passed(request)
    if new_id is not None:
        headers["Idempotency-Key"] = new_id
    question = Question(request.method, path, headers, body, seconds, _may_repeat(request))
    asked = asyncio.ensure_future(peers.ask(slots, hop, question))
    answer = await _until_drained(request, asked)
    async with answer:
        if body is not None:
            request[BODY_SHARE].resize(0)  # it is sent, and the answer may take long
        response = web.StreamResponse(status=answer.status, reason=answer.reason)
        response.headers.extend(_kept(answer.headers.items(), NOT_RETURNED))
        if answer.content_length is not None:
            response.content_length = answer.content_length
        add_own_headers(request, response)
        await _send(request, response, answer)
        return response


async def _body_of(request: web.Request) -> bytes | None:
    """Return the body, of a part of the budget that leaves room for those of this cell."""
    if request.method not in WITH_BODIES:
        return None
    request[BODY_SHARE].count_in(request.app[PASSED_BODY_BUDGET])
    return await read_raw(request)


def asking_headers(request: web.Request) -> dict[str, str]:
    """Return the headers of a question about a request: who asks, and for which request."""
    names = ("Authorization",)
    sent = {name: request.headers[name] for name in names if name in request.headers}
    return {**sent, "X-Request-Id": request[REQUEST_ID]}


def _wait_of(request: web.Request) -> int:
    """Return the seconds for which a request wants to wait."""
    path = path_of_route(request)
    if path == BEGIN:
        return preferred_wait(request) or 0
    if path != WAIT:
        return 0
    try:
        return requested_wait(request, request.query.get("wait"))[0]
    except InvalidRequest:
        return 0  # the cell of the id says so


def _may_repeat(request: web.Request) -> bool:
    """Return whether nothing more happens if a request is carried out twice in one cell."""
    return request.method in {"GET", "HEAD"} or path_of_route(request) in {BEGIN, CANCEL}


def _passed(request: web.Request) -> CIMultiDict[str]:
    kept = CIMultiDict(_kept(request.headers.items(), NOT_PASSED))
    kept["X-Request-Id"] = request[REQUEST_ID]
    return kept


def _kept(headers: Iterable[tuple[str, str]], dropped: frozenset[str]) -> list[tuple[str, str]]:
    # A value may have bytes that are no UTF-8, which no header that is looked at has.
    return [
        (name, value)
        for name, value in headers
        if name.lower() not in dropped and UNSENDABLE.search(value) is None
    ]


async def _until_drained(
    request: web.Request, asked: asyncio.Future[aiohttp.ClientResponse]
) -> aiohttp.ClientResponse:
    """Return the answer; one that only waits is not waited for while this gateway shuts down."""
    # A begin may be repeated, so it is no loss either if it is under way and wants to wait.
    only_waits = _wait_of(request) > 0 or path_of_route(request) == EVENTS
    ending = request.app[PASSED_ON] if only_waits else Ending()
    if only_waits and request.app[DRAINING].is_set():
        asked.cancel()
    answer = await ending.before(asked, aiohttp.ClientResponse.close)
    if answer is None:
        raise BackendUnavailable("This gateway is shutting down; repeat the request.")
    return answer


async def _send(
    request: web.Request, response: web.StreamResponse, answer: aiohttp.ClientResponse
) -> None:
    """Send the answer as it comes; a client that does not take it is disconnected."""
    seconds = request.app[SETTINGS].limits.answer
    pieces = _Pieces(answer, request.app)
    try:
        await response.prepare(request)
        while piece := await pieces.next():
            async with asyncio.timeout(seconds):
                await response.write(piece)
        await response.write_eof()
    except (aiohttp.ClientError, TimeoutError, ConnectionError):
        if request.transport is not None:
            request.transport.abort()  # so that the client sees that the answer is not whole


class _Pieces:
    """The pieces of an answer; a stream, which clients resume, ends when this gateway stops."""

    def __init__(self, answer: aiohttp.ClientResponse, app: web.Application) -> None:
        self._content = answer.content
        self._draining = app[DRAINING]
        self._ending = app[PASSED_ON]
        self._is_stream = answer.content_length is None

    async def next(self) -> bytes:
        """Return the next piece, nothing at the end."""
        if not self._is_stream:
            return await self._content.readany()
        if self._draining.is_set():
            return b""
        reading = asyncio.ensure_future(self._content.readany())
        return await self._ending.before(reading, bytes) or b""
