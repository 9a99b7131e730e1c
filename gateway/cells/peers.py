"""The gateways of other cells, asked over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from typing import TYPE_CHECKING, Final

import aiohttp
import msgspec
from msgspec import Struct

from gateway.cells.gateways import HAS, STORE, Gateway, Hop, Question, Unanswered, is_of_cell
from gateway.concurrency.tasks import TaskSet
from gateway.errors import BackendUnavailable, InvalidRequest
from shared.log import get_logger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from aiohttp import web

    from gateway.cells.hash_slots import SlotMap

CONNECT_SECONDS: Final = 1.0
SILENT_SECONDS: Final = 40.0
"""Seconds between two pieces of an answer: a long poll takes 25 s, a stream is silent for 15."""

UNKNOWN_ID: Final = "/problems/unknown-id"
MOST_PROBLEM: Final = 64 * 1024
MOST_PAGE: Final = 16 * 1024 * 1024


class _Problem(Struct):
    """What is looked at of a problem, also of another release's."""

    type: str


class Peers:
    """Asks the gateways of other cells; `counted` is told the cell and how it went."""

    def __init__(self, counted: Callable[[str, str], None]) -> None:
        self._counted = counted
        self._turn = itertools.count()
        self._gateways: dict[tuple[str, str], Gateway] = {}
        self._session: aiohttp.ClientSession | None = None
        self._tasks = TaskSet()
        self._log = get_logger()

    async def running(self, _: web.Application) -> AsyncIterator[None]:
        """Keep connections until the application ends."""
        self._session = aiohttp.ClientSession(
            # Clients are limited already, and a wait for a place would look like a dead gateway.
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=["User-Agent", "Accept", "Accept-Encoding", "Content-Type"],
            timeout=aiohttp.ClientTimeout(connect=CONNECT_SECONDS, sock_read=SILENT_SECONDS),
        )
        async with self._session, self._tasks.running():
            yield

    async def ask(self, slots: SlotMap, hop: Hop, question: Question) -> aiohttp.ClientResponse:
        """Return the answer of one of the cell's gateways; the caller closes it.

        Raises `BackendUnavailable` if none answers as this cell's in time, and if one may have
        acted on a request that may not be repeated.
        """
        answer = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(question.seconds):
                answer = await self._first_answer(slots, hop, question)
        if answer is not None:
            self._counted(hop.cell, "answered")
            return answer
        self._counted(hop.cell, "unreached")
        raise BackendUnavailable(f"Cell {hop.cell} cannot be reached; repeat with the same id.")

    async def _first_answer(
        self, slots: SlotMap, hop: Hop, question: Question
    ) -> aiohttp.ClientResponse | None:
        """Return the answer of the first gateway that gives one as this cell's."""
        for gateway in self._in_turn(slots, hop.cell):
            if gateway.has_failed and not await gateway.answers():
                continue
            try:
                answer = await gateway.ask(hop, question)
            except Unanswered as error:
                if error.is_sent and not question.may_repeat:
                    return None
                continue
            if is_of_cell(answer, hop.cell):
                return answer
            answer.close()
            gateway.has_failed = True
            self._log.error("gateway is not of the cell", cell=hop.cell, gateway=gateway.url)
            if not question.may_repeat:
                return None
        return None

    def _in_turn(self, slots: SlotMap, cell: str) -> list[Gateway]:
        """Return a cell's gateways, each time another one first, and last those that have failed.

        Where there is another one, a failed one is checked meanwhile, so that its turn comes again.
        """
        gateways = self._all(slots, cell)
        first = next(self._turn) % max(len(gateways), 1)
        ordered = sorted(
            (*gateways[first:], *gateways[:first]), key=lambda gateway: gateway.has_failed
        )
        for gateway in ordered[1:]:
            if gateway.has_failed:
                gateway.check_again()
        return ordered

    def have_failed(self, slots: SlotMap, cell: str) -> bool:
        """Return whether all gateways of a cell have failed; these are checked again soon."""
        failed = [gateway for gateway in self._all(slots, cell) if gateway.has_failed]
        for gateway in failed:
            gateway.check_again()
        return len(failed) == len(slots.cells[cell])

    def _all(self, slots: SlotMap, cell: str) -> list[Gateway]:
        return [self._gateway(cell, url) for url in slots.cells.get(cell, ())]

    def _gateway(self, cell: str, url: str) -> Gateway:
        if self._session is None:
            raise BackendUnavailable("This gateway is shutting down; repeat the request.")
        known = self._gateways.get((cell, url))
        if known is None:
            known = Gateway(cell, url, self._session, self._tasks)
            self._gateways[cell, url] = known
        return known

    async def has(self, slots: SlotMap, cell: str, id: str, headers: Mapping[str, str]) -> bool:
        """Return whether a cell has an execution of this id. Raises `BackendUnavailable`."""
        question = Question("GET", f"/wait?id={id}", headers)
        status, raw = await self._read(slots, Hop(cell, HAS), question, MOST_PROBLEM)
        if status == 204:
            return True
        # Only a gateway's own word counts: a 404 of something else would begin the id anew.
        if status == 404 and _problem(raw) == UNKNOWN_ID:
            return False
        raise BackendUnavailable(f"Cell {cell} does not say whether it has this id; repeat it.")

    async def read(self, slots: SlotMap, cell: str, question: Question) -> bytes:
        """Return the body of a 200 about a cell's own store.

        Raises `BackendUnavailable`, and `InvalidRequest` where the cell refuses the request.
        """
        status, raw = await self._read(slots, Hop(cell, STORE), question, MOST_PAGE)
        if status == 400:
            raise InvalidRequest(f"Cell {cell} refuses the request, such as a cursor of its own.")
        if status != 200:
            raise BackendUnavailable(f"Cell {cell} has answered {status}.")
        return raw

    async def _read(
        self, slots: SlotMap, hop: Hop, question: Question, most: int
    ) -> tuple[int, bytes]:
        """Return status and body; of a 200 with more than `most` bytes the first ones."""
        end = asyncio.get_running_loop().time() + question.seconds
        try:
            async with await self.ask(slots, hop, question) as answer:
                async with asyncio.timeout_at(end):
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
