"""One gateway of another cell: it is asked over HTTP, and watched for as long as it is asked."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Final, NamedTuple

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from gateway.concurrency.ending import Ending
from gateway.concurrency.tasks import SingleFlight
from gateway.http.keys import ANSWERING_CELL, CELL_HOP

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aiohttp import web

    from gateway.concurrency.tasks import TaskSet

PATIENCE_SECONDS: Final = 1.0
"""Seconds without any answer of a gateway that is asked for one, before it is checked."""

CHECK_SECONDS: Final = 1.0
"""Seconds that a gateway has to answer a check: its process only has to run."""

ASK_SECONDS: Final = 3.0
"""Seconds for a short answer: one gateway may be found frozen, and the next one still answers."""

HOST: Final = "localhost"
"""The header `Host` of what is sent to another gateway: a name that each takes for its own.

The client's may be a name of one machine only, and that in the map one that no setting has.
"""

OWNER: Final = "owner"
STORE: Final = "store"
HAS: Final = "has"


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

    Within `seconds` an answer must have begun, whichever gateway gives it. One that `may_repeat`
    may be carried out twice: it is sent to another gateway of the cell if one has not answered.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes | None = None
    seconds: float = ASK_SECONDS
    may_repeat: bool = True


class Unanswered(Exception):
    """The gateway has not answered; if it `is_sent` it may have acted on the request."""

    def __init__(self, *, is_sent: bool) -> None:
        super().__init__()
        self.is_sent = is_sent


class Gateway:
    """One gateway of a cell.

    It `has_failed` from an answer that did not come until it answers a check. A frozen one accepts
    connections and says nothing, as one does at which clients wait. So one that has said nothing
    for a second is checked, and given up by all who ask it if it does not answer that either:

    1. At 0.0 s it is asked for an answer that may take 25 s, and frozen.
    2. At 1.0 s it is checked, once for all who wait.
    3. At 2.0 s it has failed, and all who wait ask the next gateway of its cell.
    """

    def __init__(self, cell: str, url: str, session: aiohttp.ClientSession, tasks: TaskSet) -> None:
        self.cell = cell
        self.url = url
        self.has_failed = False
        self._session = session
        self._tasks = tasks
        self._checks: SingleFlight[None, bool] = SingleFlight()
        self._heard_at = self._checked_at = -PATIENCE_SECONDS
        self._asking = 0
        self._is_watched = False
        self._lost = Ending()

    async def ask(self, hop: Hop, question: Question) -> aiohttp.ClientResponse:
        """Return the answer; the caller closes it. Raises `Unanswered`."""
        asked = asyncio.ensure_future(self._send(hop, question))
        try:
            with self._watched():
                answer = await self._lost.before(asked, aiohttp.ClientResponse.close)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            self.has_failed = True
            raise Unanswered(is_sent=False) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self.has_failed = True
            raise Unanswered(is_sent=True) from error
        if answer is None:
            raise Unanswered(is_sent=True)
        self._heard_at = time.monotonic()
        return answer

    async def answers(self) -> bool:
        """Check the gateway, once for all who want to know; return whether it has not failed."""
        return await self._checks.run(None, self._check)

    def check_again(self) -> None:
        """Check the gateway soon, if it has not been checked just now."""
        if time.monotonic() - self._checked_at > PATIENCE_SECONDS:
            self._checked_at = time.monotonic()
            self._tasks.start(self._look())

    async def _look(self) -> None:
        await self.answers()

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        """Watch the gateway until the block ends."""
        if not self._asking:
            self._heard_at = time.monotonic()
        self._asking += 1
        if not self._is_watched:
            self._is_watched = True
            self._tasks.start(self._watch())
        try:
            yield
        finally:
            self._asking -= 1

    async def _watch(self) -> None:
        """Check the gateway while it is asked and says nothing."""
        while self._asking:
            silent = time.monotonic() - self._heard_at
            if silent < PATIENCE_SECONDS:
                await asyncio.sleep(PATIENCE_SECONDS - silent)
            elif not await self.answers():
                await asyncio.sleep(PATIENCE_SECONDS)
        self._is_watched = False

    async def _check(self) -> bool:
        self._checked_at = time.monotonic()
        headers = {CELL_HOP: str(Hop(self.cell, STORE)), "Host": HOST}
        is_well = is_silent = False
        try:
            async with (
                asyncio.timeout(CHECK_SECONDS),
                self._session.get(f"{self.url}/healthz", headers=headers) as answer,
            ):
                is_well = answer.status == 200 and is_of_cell(answer, self.cell)
        except (aiohttp.ClientError, TimeoutError, OSError):
            is_silent = True
        self.has_failed = not is_well
        if is_silent:
            self._lost.end()
        else:
            self._heard_at = time.monotonic()  # also if it takes no more connections
        return is_well

    async def _send(self, hop: Hop, question: Question) -> aiohttp.ClientResponse:
        headers = CIMultiDict(question.headers)
        headers[CELL_HOP] = str(hop)
        headers["Host"] = HOST
        return await self._session.request(
            question.method,
            URL(self.url + question.path, encoded=True),
            headers=headers,
            data=question.body,
            allow_redirects=False,
        )


def is_of_cell(answer: aiohttp.ClientResponse, cell: str) -> bool:
    """Return whether a gateway of this cell has given the answer."""
    return answer.headers.get(ANSWERING_CELL) == cell
