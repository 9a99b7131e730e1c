"""Passes a client's request on to another cell, and the answer back."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from gateway.api.keys import DRAINING
from gateway.api.parameters import LONGEST_WAIT
from gateway.cells.peers import Question
from gateway.errors import BackendUnavailable
from gateway.http.body import read_raw
from gateway.http.keys import ANSWERING_CELL, BODY_SHARE, CELL_HOP, REQUEST_ID, SETTINGS
from gateway.http.middleware import WITH_BODIES, add_own_headers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.cells.hash_slots import SlotMap
    from gateway.cells.peers import Hop, Peers

OF_CONNECTIONS: Final = frozenset(
    (
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te"),
        *("proxy-connection", "trailer", "transfer-encoding", "upgrade", "content-length"),
    )
)
"""Headers that are about one connection (RFC 9110, 7.6.1), and the length, which is set anew."""

ANSWER_SECONDS: Final = 6.0
"""Seconds until an answer that waits for nothing begins: more than a call to the server takes."""

UNSENDABLE: Final = re.compile(r"[\ud800-\udfff]")
"""What stands for a byte that is no UTF-8."""

NOT_PASSED: Final = OF_CONNECTIONS | {"expect", "x-request-id", CELL_HOP.lower()}
NOT_RETURNED: Final = OF_CONNECTIONS | {"server", "date", "x-request-id", ANSWERING_CELL.lower()}


async def pass_on(
    request: web.Request, peers: Peers, slots: SlotMap, hop: Hop
) -> web.StreamResponse:
    """Answer a request with the answer of another cell.

    Raises `BackendUnavailable` if none comes, or this gateway shuts down before.
    """
    body = await read_raw(request) if request.method in WITH_BODIES else None
    # The target of a request may name another host; of it only path and query are passed on.
    path, seconds = request.rel_url.raw_path_qs, _seconds_of(request)
    question = Question(request.method, path, _passed(request), body, seconds)
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


def asking_headers(request: web.Request) -> dict[str, str]:
    """Return the headers of a question about a request: who asks, and under which name."""
    names = ("Authorization", "Host")
    sent = {name: request.headers[name] for name in names if name in request.headers}
    return {**sent, "X-Request-Id": request[REQUEST_ID]}


def _seconds_of(request: web.Request) -> float:
    """Return the seconds within which an answer begins, if its gateway lives."""
    waits = "wait" in request.query or "Prefer" in request.headers or request.method in WITH_BODIES
    return ANSWER_SECONDS + (LONGEST_WAIT if waits else 0)


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
    draining = asyncio.ensure_future(request.app[DRAINING].wait())
    only_waits = request.method not in WITH_BODIES
    try:
        waits: set[asyncio.Future[Any]] = {asked, draining} if only_waits else {asked}
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        _drop(asked)
        raise
    finally:
        draining.cancel()
    if asked.done():
        return asked.result()
    _drop(asked)
    raise BackendUnavailable("This gateway is shutting down; repeat the request.")


def _drop(asked: asyncio.Future[aiohttp.ClientResponse]) -> None:
    """Ask no longer; an answer that has come just now is closed, so that it keeps no place."""
    asked.cancel()
    asked.add_done_callback(_close)


def _close(asked: asyncio.Future[aiohttp.ClientResponse]) -> None:
    if not asked.cancelled() and asked.exception() is None:
        asked.result().close()


async def _send(
    request: web.Request, response: web.StreamResponse, answer: aiohttp.ClientResponse
) -> None:
    """Send the answer as it comes; a client that does not take it is disconnected."""
    seconds = request.app[SETTINGS].limits.answer
    pieces = _Pieces(answer, request.app[DRAINING])
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

    def __init__(self, answer: aiohttp.ClientResponse, draining: asyncio.Event) -> None:
        self._content = answer.content
        self._draining = draining
        self._is_stream = answer.content_length is None

    async def next(self) -> bytes:
        """Return the next piece, nothing at the end."""
        if not self._is_stream:
            return await self._content.readany()
        reading = asyncio.ensure_future(self._content.readany())
        draining = asyncio.ensure_future(self._draining.wait())
        waits: set[asyncio.Future[Any]] = {reading, draining}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            return reading.result() if reading.done() else b""
        finally:
            reading.cancel()
            draining.cancel()
