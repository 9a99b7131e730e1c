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

from tests.support.chaos.jobs import Job, job, name_steps
from tests.support.faults.history import seconds

if TYPE_CHECKING:
    from tests.support.chaos.caller import Caller
    from tests.support.clients.streams import Parser
    from tests.support.faults.history import History

RATE = 2.0
"""Executions begun in a second: what three workers carry on a machine that does other work too."""

MOST_OPEN = 150
"""Executions that may be open at once; during an outage no more are begun."""

POLL_SECONDS = 20


@dataclass
class Clients:
    """Begins executions at `RATE` and follows each to its end."""

    caller: Caller
    history: History
    chance: Random
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
        at, answer = await self.caller.repeat("POST", path, made.input)
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
        _, answer = await self.caller.repeat("POST", path, made.signal, headers=headers)
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
        answer = await self.caller.call("GET", path, limit=wait + 10)
        if answer.status == 200:
            body = answer.body
            name_steps(body)
            return self.history.note_body(id, _told(body), asked=asked, waited=wait)
        self.caller.judge(answer, id, "GET /wait")
        await asyncio.sleep(0.3)
        return False

    async def _stream(self, id: str) -> None:
        """Follow the events over connections that break, and compare with a whole stream."""
        seen = await self.caller.events(id, goes_on=True)
        whole = await self.caller.events(id, goes_on=False)
        self.history.note("stream", id=id, seen=_digests(seen), whole=_digests(whole))


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
