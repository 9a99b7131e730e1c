"""The gateways of other cells, asked over HTTP."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import TYPE_CHECKING, Final, NamedTuple

import aiohttp
import msgspec
from msgspec import Struct
from multidict import CIMultiDict
from yarl import URL

from gateway.errors import BackendUnavailable, InvalidRequest
from gateway.http.keys import ANSWERING_CELL, CELL_HOP
from shared.log import get_logger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from aiohttp import web

    from gateway.cells.hash_slots import SlotMap

CONNECT_SECONDS: Final = 1.0
ASK_SECONDS: Final = 2.0
"""Seconds that a gateway has for an answer to another one, before the cell's next one is asked."""

FAILED_SECONDS: Final = 5.0
"""Seconds for which a gateway that has not answered is asked after the others of its cell."""

SILENT_SECONDS: Final = 40.0
"""Seconds between two pieces of an answer: a long poll takes 25 s, a stream is silent for 15."""

MOST_CONNECTIONS: Final = 10_000
UNKNOWN_ID: Final = "/problems/unknown-id"
MOST_PROBLEM: Final = 64 * 1024
MOST_PAGE: Final = 16 * 1024 * 1024


class _Problem(Struct):
    """What is looked at of a problem, also of another release's."""

    type: str


class Hop(NamedTuple):
    """What the header says."""

    cell: str
    role: str

    @classmethod
    def of(cls, request: web.Request) -> Hop | None:
        """Return what a request's header says, None without one."""
        text = request.headers.get(CELL_HOP)
        if text is None:
            return None
        cell, _, role = text.partition("/")
        return cls(cell, role)

    def __str__(self) -> str:
        return f"{self.cell}/{self.role}"


class Question(NamedTuple):
    """A request to another cell; `path` begins with / and has the query, both as they are sent.

    Within `seconds` an answer must have begun.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes | None = None
    seconds: float = ASK_SECONDS


class Peers:
    """Asks the gateways of other cells; `counted` is told the cell and how it went."""

    def __init__(self, counted: Callable[[str, str], None]) -> None:
        self._counted = counted
        self._turn = itertools.count()
        self._failed_at: dict[str, float] = {}
        self._session: aiohttp.ClientSession | None = None
        self._log = get_logger()

    async def running(self, _: web.Application) -> AsyncIterator[None]:
        """Keep connections until the application ends."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=MOST_CONNECTIONS),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=["User-Agent", "Accept", "Accept-Encoding", "Content-Type"],
            timeout=aiohttp.ClientTimeout(connect=CONNECT_SECONDS, sock_read=SILENT_SECONDS),
        )
        async with self._session:
            yield

    async def ask(self, slots: SlotMap, hop: Hop, question: Question) -> aiohttp.ClientResponse:
        """Return the answer of one of the cell's gateways; the caller closes it.

        Raises `BackendUnavailable` if none answers as this cell's, and if one may have acted on a
        request that changes something without an answer.
        """
        for url in self._in_turn(slots.cells.get(hop.cell, ())):
            try:
                answer = await self._send(url, hop, question)
            except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
                self._failed_at[url] = time.monotonic()
                continue
            except (aiohttp.ClientError, TimeoutError, OSError):
                pass
            else:
                if answer.headers.get(ANSWERING_CELL) == hop.cell:
                    self._failed_at.pop(url, None)
                    self._counted(hop.cell, "answered")
                    return answer
                answer.close()
                self._log.error("gateway is not of the cell", cell=hop.cell, gateway=url)
            self._failed_at[url] = time.monotonic()
            if question.method not in {"GET", "HEAD"}:
                break
        self._counted(hop.cell, "unreached")
        raise BackendUnavailable(f"Cell {hop.cell} cannot be reached; repeat with the same id.")

    def _in_turn(self, gateways: Sequence[str]) -> list[str]:
        """Return a cell's gateways, each time another one first, and last those that failed."""
        first = next(self._turn) % max(len(gateways), 1)
        since = time.monotonic() - FAILED_SECONDS
        return sorted(
            (*gateways[first:], *gateways[:first]),
            key=lambda url: self._failed_at.get(url, since) > since,
        )

    async def _send(self, url: str, hop: Hop, question: Question) -> aiohttp.ClientResponse:
        if self._session is None:
            raise aiohttp.ClientConnectionError("not running")
        headers = CIMultiDict(question.headers)
        headers[CELL_HOP] = str(hop)
        async with asyncio.timeout(question.seconds):
            return await self._session.request(
                question.method,
                URL(url + question.path, encoded=True),
                headers=headers,
                data=question.body,
                allow_redirects=False,
            )

    async def has(self, slots: SlotMap, cell: str, id: str, headers: Mapping[str, str]) -> bool:
        """Return whether a cell has an execution of this id. Raises `BackendUnavailable`."""
        question = Question("GET", f"/wait?id={id}", headers)
        status, raw = await self._read(slots, Hop(cell, "store"), question, MOST_PROBLEM)
        if status in {200, 304}:
            return True
        # Only a gateway's own word counts: a 404 of something else would begin the id anew.
        if status == 404 and _problem(raw) == UNKNOWN_ID:
            return False
        raise BackendUnavailable(f"Cell {cell} does not say whether it has this id; repeat it.")

    async def read(self, slots: SlotMap, cell: str, question: Question) -> bytes:
        """Return the body of a 200 about a cell's own store.

        Raises `BackendUnavailable`, and `InvalidRequest` where the cell refuses the request.
        """
        status, raw = await self._read(slots, Hop(cell, "store"), question, MOST_PAGE)
        if status == 400:
            raise InvalidRequest(f"Cell {cell} refuses the request, such as a cursor of its own.")
        if status != 200:
            raise BackendUnavailable(f"Cell {cell} has answered {status}.")
        return raw

    async def _read(
        self, slots: SlotMap, hop: Hop, question: Question, most: int
    ) -> tuple[int, bytes]:
        """Return status and body; of a 200 with more than `most` bytes the first ones."""
        try:
            async with await self.ask(slots, hop, question) as answer:
                async with asyncio.timeout(ASK_SECONDS):
                    return answer.status, await _first(answer, most)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise BackendUnavailable(f"Cell {hop.cell} has not answered in time.") from error


async def _first(answer: aiohttp.ClientResponse, most: int) -> bytes:
    read = bytearray()
    while len(read) < most and (piece := await answer.content.readany()):
        read += piece
    return bytes(read)


def _problem(raw: bytes) -> str | None:
    try:
        return msgspec.json.decode(raw, type=_Problem).type
    except msgspec.MsgspecError:
        return None
