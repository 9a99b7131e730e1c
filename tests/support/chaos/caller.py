"""Requests of a client that goes on as docs/http.md says, whatever breaks off."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp

from tests.support.clients.streams import Parser

if TYPE_CHECKING:
    from tests.support.faults.history import History

SILENCE_SECONDS = 20.0
"""Seconds without a byte after which a stream is given up; the gateway sends one every 15 s."""

PASSING = frozenset({429, 502, 503, 504})
"""Refusals that docs/http.md says to repeat, and those of a balancer without a gateway."""

FAILURES = (aiohttp.ClientError, OSError, TimeoutError, ValueError)


@dataclass(frozen=True)
class Answer:
    """What came back; status 0 if nothing did."""

    status: int
    body: Any = None


@dataclass(frozen=True)
class Caller:
    """Sends requests, and notes answers that no client should get."""

    url: str
    history: History
    session: aiohttp.ClientSession

    async def events(self, id: str, *, goes_on: bool) -> Parser:
        """Read all events; after a break go on with the last one, or begin anew."""
        parser = Parser()
        while not (parser.events and parser.events[-1].name == "done"):
            if not goes_on:
                parser = Parser()
            # A field without its empty line is no event: the next connection sends it again.
            parser.drop_partial()
            last = parser.events[-1].id if parser.events else None
            with contextlib.suppress(*FAILURES):
                await self._take_events(id, last, parser)
            await asyncio.sleep(0.1)
        return parser

    async def _take_events(self, id: str, last: str | None, parser: Parser) -> None:
        headers = {} if last is None else {"Last-Event-ID": last}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=SILENCE_SECONDS)
        async with self.session.get(
            f"{self.url}/events?id={id}", headers=headers, timeout=timeout
        ) as response:
            if response.status != 200:
                self.judge(Answer(response.status), id, "GET /events")
                return
            async for line in response.content:
                parser.take([line])

    async def repeat(
        self, method: str, path: str, body: Any, headers: dict[str, str] | None = None
    ) -> tuple[float, Answer]:
        """Send a request until it is taken, as docs/http.md says that clients may.

        Returns when the one that was taken was sent, and its answer.
        """
        while True:
            at = time.time()
            answer = await self.call(method, path, body, headers=headers)
            if answer.status in {200, 202}:
                return at, answer
            self.judge(answer, "", f"{method} {path}")
            await asyncio.sleep(0.3)

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        limit: float = 10.0,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Make one request; no answer is an answer with the status 0."""
        own = {} if body is None else {"json": body}
        timeout = aiohttp.ClientTimeout(total=limit)
        try:
            async with self.session.request(
                method, self.url + path, headers=headers, timeout=timeout, **own
            ) as response:
                text = await response.text()
                return Answer(response.status, json.loads(text) if text else None)
        except FAILURES:
            return Answer(0)

    def judge(self, answer: Answer, id: str, what: str) -> None:
        """Note an answer that a client should never get."""
        if answer.status == 404 and id:
            self.history.note("unknown", id=id)
        elif answer.status and answer.status not in PASSING:
            self.history.note("odd", what=f"{what} {id}: {answer.status} {answer.body}")
