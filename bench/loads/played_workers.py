"""Workers that only tell a gateway what they do: their executions have no code and no history."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from typing import TYPE_CHECKING, Final, Literal

import uvloop

from shared.presence import ALIVE_SECONDS, Alive, Claimed, Ended, Hello, Running, line_of
from tests.support.stack import PRESENCE_SECRET

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.connection import Connection

    from shared.presence import FromWorker

STEPS: Final = ("reserve", "charge", "pack", "ship", "notify")
TICK_SECONDS: Final = 0.1
TICKS: Final = 20
"""Ticks in which something happens to each execution of a worker once."""

type Doing = Literal["steps", "ends", "loss"]
"""Each execution begins a step every two seconds, or ends and is claimed anew; or one worker dies
and the others go on with what it held."""


class PlayedWorker:
    """A worker with a connection to a gateway, and its claims by execution."""

    def __init__(self, name: str, writer: asyncio.StreamWriter, slots: int) -> None:
        self.name = name
        self.held: deque[str] = deque()
        self._writer = writer
        self._slots = slots
        self._counters: dict[str, int] = {}
        self._steps = itertools.cycle(STEPS)

    def greet(self) -> None:
        pid, now = f"pid-of-{self.name}", int(time.time() * 1000)
        serves = {"checkout": [1], "foo": [1]}
        self.say(Hello(PRESENCE_SECRET, self.name, pid, "worker", self._slots, now, serves))

    def say(self, *messages: FromWorker) -> None:
        self._writer.write(b"".join(map(line_of, messages)))

    def claim(self, execution: str, counter: int = 1, lost_by: str | None = None) -> None:
        """Claim an execution and begin a step of it."""
        self._counters[execution] = counter
        self.held.append(execution)
        self.say(Claimed(f"__invoke:{execution}", counter, execution))
        self._run(execution, lost_by)

    def go_on(self, count: int, *, ends: bool) -> None:
        """Begin the next step of this many executions, or end and claim them anew."""
        for _ in range(min(count, len(self.held))):
            execution = self.held.popleft()
            if ends:
                counter = self._counters[execution]
                self.say(Ended(f"__invoke:{execution}", counter))
                self.claim(execution, counter + 1)
            else:
                self.held.append(execution)
                self._run(execution)

    def lose(self) -> dict[str, int]:
        """Die; return the counters of what was held."""
        self._writer.transport.abort()
        return self._counters

    def _run(self, execution: str, lost_by: str | None = None) -> None:
        counter = self._counters[execution]
        attempt, step = (1 if lost_by is None else 2), next(self._steps)
        self.say(
            Running(
                *(f"__invoke:{execution}", counter, attempt, lost_by, step),
                is_retried=False,
                reports=False,
                function="checkout",
            )
        )


async def _play(port: int, ids: Sequence[str], count: int, parent: Connection) -> None:
    workers = []
    for number in range(1, count + 1):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        worker = PlayedWorker(f"worker-{number}", writer, len(ids) // count)
        worker.greet()
        workers.append(worker)
        for execution in ids[number - 1 :: count]:
            worker.claim(execution)
    parent.send(None)
    doing: Doing = "steps"
    for tick in itertools.count():
        if parent.poll():
            doing = parent.recv()
            if doing == "loss":
                _lose(workers)
        for worker in workers:
            if tick % round(ALIVE_SECONDS / TICK_SECONDS) == 0:
                worker.say(Alive())
            worker.go_on(len(worker.held) // TICKS, ends=doing == "ends")
        await asyncio.sleep(TICK_SECONDS)


def _lose(workers: list[PlayedWorker]) -> None:
    lost = workers.pop(0)
    for worker, (execution, counter) in zip(
        itertools.cycle(workers), lost.lose().items(), strict=False
    ):
        worker.claim(execution, counter + 1, lost.name)


def play(port: int, ids: Sequence[str], count: int, parent: Connection) -> None:
    """Play workers at a gateway's port for workers, which do what the parent says."""
    uvloop.run(_play(port, ids, count, parent))
