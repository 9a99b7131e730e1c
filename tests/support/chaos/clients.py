"""Clients of a stack: they begin executions, repeat, signal, wait and stream, and note it all."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass, field
from hashlib import blake2b
from random import Random
from typing import TYPE_CHECKING, Any

import aiohttp

from tests.support.chaos.jobs import Job, job, name_steps
from tests.support.clients.streams import Parser
from tests.support.faults.history import seconds

if TYPE_CHECKING:
    from tests.support.faults.history import History

RATE = 2.0
"""Executions begun in a second: what three workers carry on a machine that does other work too."""

MOST_OPEN = 150
"""Executions that may be open at once; during an outage no more are begun."""

POLL_SECONDS = 20
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


@dataclass
class Clients:
    """Begins executions at `RATE` and follows each to its end."""

    url: str
    history: History
    chance: Random
    session: aiohttp.ClientSession
    prefix: str
    lives: set[asyncio.Task[None]] = field(default_factory=set)
    begun: int = 0

    async def work(self, over: asyncio.Event) -> None:
        """Begin one execution after the other until it is over."""
        while not over.is_set():
            if len(self.lives) < MOST_OPEN:
                self.begun += 1
                made = job(f"{self.prefix}-{self.begun}", self.chance)
                life = asyncio.create_task(self.follow(made, Random(self.chance.random())))
                self.lives.add(life)
                life.add_done_callback(self._ended)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), self.chance.expovariate(RATE))

    def _ended(self, life: asyncio.Task[None]) -> None:
        self.lives.discard(life)
        if not life.cancelled() and (error := life.exception()) is not None:
            self.history.note("odd", what=f"a client failed: {error!r}")

    async def settle(self, seconds: float) -> None:
        """Wait until all have ended, or the time is over."""
        if self.lives:
            await asyncio.wait(self.lives, timeout=seconds)
        for life in list(self.lives):
            life.cancel()

    async def follow(self, made: Job, chance: Random) -> None:
        """Begin an execution, perhaps twice at once, and stay with it to its end."""
        since = time.time()
        times = chance.choice((1, 1, 1, 2, 3))
        await asyncio.gather(*(self._begin(made, since) for _ in range(times)))
        watch = chance.choice((self._poll, self._poll, self._stream, self._read_often))
        await asyncio.gather(watch(made.id), self._signal(made))
        if chance.random() < 0.1:
            await self._begin(made, since)
        await self.read(made.id)

    async def _begin(self, made: Job, since: float) -> None:
        path = f"/begin?id={made.id}&function={made.function}"
        at, answer = await self._repeat("POST", path, made.input)
        body = answer.body or {}
        self.history.note(
            "begin",
            id=made.id,
            at=at,
            since=since,
            status=answer.status,
            created=body.get("created", False),
            own=made.own,
            expected=made.expected,
        )

    async def _signal(self, made: Job) -> None:
        if made.signal is None:
            return
        await asyncio.sleep(made.after)
        headers = {"Idempotency-Key": "answer"}
        path = f"/signal?id={made.id}&name={made.function}"
        _, answer = await self._repeat("POST", path, made.signal, headers=headers)
        self.history.note("signal", id=made.id, first=bool((answer.body or {}).get("first")))

    async def _poll(self, id: str) -> None:
        while not await self.read(id, POLL_SECONDS):
            pass

    async def _read_often(self, id: str) -> None:
        is_done = False
        while not is_done:
            is_done = await self.read(id)
            await asyncio.sleep(0 if is_done else 1.5)

    async def read(self, id: str, wait: int = 0) -> bool:
        """Read a state and note it; return whether that is final."""
        path = f"/wait?id={id}&include=input,steps" + (f"&wait={wait}s" if wait else "")
        asked = time.time()
        answer = await self._call("GET", path, limit=wait + 10)
        if answer.status == 200:
            body = answer.body
            name_steps(body)
            return self.history.note_body(id, _told(body), asked=asked, waited=wait)
        self._judge(answer, id, "GET /wait")
        await asyncio.sleep(0.3)
        return False

    async def _stream(self, id: str) -> None:
        """Follow the events over connections that break, and compare with a whole stream."""
        seen = await self._events(id, goes_on=True)
        whole = await self._events(id, goes_on=False)
        self.history.note("stream", id=id, seen=_digests(seen), whole=_digests(whole))

    async def _events(self, id: str, *, goes_on: bool) -> Parser:
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
        return parser

    async def _take_events(self, id: str, last: str | None, parser: Parser) -> None:
        headers = {} if last is None else {"Last-Event-ID": last}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=SILENCE_SECONDS)
        async with self.session.get(
            f"{self.url}/events?id={id}", headers=headers, timeout=timeout
        ) as response:
            if response.status != 200:
                self._judge(Answer(response.status), id, "GET /events")
                await asyncio.sleep(0.3)
                return
            async for line in response.content:
                parser.take([line])
        await asyncio.sleep(0.1)

    async def _repeat(
        self, method: str, path: str, body: Any, headers: dict[str, str] | None = None
    ) -> tuple[float, Answer]:
        """Send a request until it is taken, as docs/http.md says that clients may.

        Returns when the one that was taken was sent, and its answer.
        """
        while True:
            at = time.time()
            answer = await self._call(method, path, body, headers=headers)
            if answer.status in {200, 202}:
                return at, answer
            self._judge(answer, "", f"{method} {path}")
            await asyncio.sleep(0.3)

    async def _call(
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

    def _judge(self, answer: Answer, id: str, what: str) -> None:
        """Note an answer that a client should never get."""
        if answer.status == 404 and id:
            self.history.note("unknown", id=id)
        elif answer.status and answer.status not in PASSING:
            self.history.note("odd", what=f"{what} {id}: {answer.status} {answer.body}")


def _told(body: dict[str, Any]) -> dict[str, Any]:
    """Return what the history keeps of a state, which is small."""
    kept: dict[str, Any] = {
        name: body[name] for name in ("status", "done", "result", "error") if name in body
    }
    if body["done"]:
        kept["ended_at"] = seconds(body["completed_at"])
        kept["steps"] = [
            {
                **{name: step[name] for name in ("name", "status", "execution") if name in step},
                "ended_at": seconds(step["ended"]) if step["ended"] else None,
            }
            for step in body.get("steps", [])
        ]
    return kept


def _digests(parser: Parser) -> list[list[str]]:
    """Return each event's id, and its name with a digest of what it says."""
    return [[event.id, f"{event.name} {_digest(event.data)}"] for event in parser.events]


def _digest(data: Any) -> str:
    return blake2b(json.dumps(data, sort_keys=True).encode(), digest_size=6).hexdigest()
