"""Closed loop: each client sends its next request after an answer. Open loop: at a fixed rate.

In an open loop the time of a request counts from when it should have been sent. A stall of the
service delays all requests that were due meanwhile, and so shows as what clients would have seen.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import signal
import threading
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import uvloop

from bench.loads.http import BROKEN, Connection, connect
from bench.loads.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Sequence
    from types import FrameType

type Address = tuple[str, int]

ANSWER_SECONDS = 30.0
"""Seconds after the load's end in which its last answers must come."""

TICK_SECONDS = 0.001


def closed_loop(  # noqa: PLR0913 - what a load is
    addresses: Sequence[Address],
    requests: Iterator[bytes],
    *,
    clients: int = 32,
    seconds: float = 60.0,
    count: int | None = None,
    arriving: int | None = None,
) -> Outcome:
    """Send requests with so many clients until the time is over, or `count` of them are sent.

    The clients begin at once, or `arriving` of them each second.
    """
    load = _Closed(requests, seconds, count)
    return _run(load, load.run(addresses, clients, arriving))


def open_loop(
    addresses: Sequence[Address],
    requests: Iterator[bytes],
    *,
    rate: float,
    seconds: float,
    connections: int = 256,
) -> Outcome:
    """Send so many requests a second, each on a free connection."""
    load = _Open(requests, rate, seconds)
    return _run(load, load.run(addresses, connections))


def _run(load: _Load, work: Coroutine[None, None, Outcome]) -> Outcome:
    """Do the work of a load and close it. A signal ends it, and is handled after that.

    What its handler raises while an answer is read the event loop would print, and go on. Signals
    come to the main thread only, so a load in another thread runs to its end.
    """
    received: list[int] = []
    here = threading.current_thread() is threading.main_thread()
    numbers = (signal.SIGINT, signal.SIGTERM) if here else ()
    before = {number: signal.getsignal(number) for number in numbers}

    async def interruptible() -> Outcome:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()

        def interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
            received.append(number)
            if task is not None:
                loop.call_soon_threadsafe(task.cancel)

        for each in before:
            signal.signal(each, interrupt)
        try:
            return await work
        finally:
            load.close()

    try:
        return uvloop.run(interruptible())
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        for first in received[:1]:
            signal.raise_signal(first)


class _Load(ABC):
    """Counts what is under way; `over` is set when nothing is and nothing comes any more."""

    def __init__(self, requests: Iterator[bytes]) -> None:
        self.requests = requests
        self.outcome = Outcome()
        self.connections: list[Connection] = []
        self.under_way = 0
        self.over = asyncio.Event()

    async def open(self, addresses: Sequence[Address], count: int) -> None:
        targets = itertools.islice(itertools.cycle(addresses), count)
        self.connections = [await connect(target, self.answered) for target in targets]

    @abstractmethod
    def answered(self, connection: Connection, status: int, body: bytes) -> None:
        """Take an answer, and send what is next."""

    async def finish(self, began: float, seconds: float) -> Outcome:
        """Wait so many seconds for the last answers; those that do not come have failed."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.over.wait(), seconds)
        self.outcome.seconds = time.perf_counter() - began
        if self.under_way:
            self.outcome.statuses[BROKEN] += self.under_way
        return self.outcome

    def close(self) -> None:
        for connection in self.connections:
            connection.busy = False
            connection.close()


class _Closed(_Load):
    def __init__(self, requests: Iterator[bytes], seconds: float, count: int | None) -> None:
        super().__init__(requests)
        self._seconds = seconds
        self._left = count
        self._until = 0.0

    async def run(
        self, addresses: Sequence[Address], clients: int, arriving: int | None
    ) -> Outcome:
        await self.open(addresses, clients)
        began = time.perf_counter()
        self._until = began + self._seconds
        for number, connection in enumerate(self.connections, 1):
            self._next(connection)
            if arriving:
                late = began + number / arriving - time.perf_counter()
                await asyncio.sleep(max(late, 0))
        return await self.finish(began, self._seconds + ANSWER_SECONDS)

    def answered(self, connection: Connection, status: int, body: bytes) -> None:  # noqa: ARG002
        self.outcome.add(status, time.perf_counter() - connection.since)
        self.under_way -= 1
        self._next(connection)

    def _next(self, connection: Connection) -> None:
        if time.perf_counter() < self._until and self._left != 0 and not connection.lost:
            if self._left is not None:
                self._left -= 1
            self.under_way += 1
            connection.send(next(self.requests))
        elif not self.under_way:
            self.over.set()


class _Open(_Load):
    def __init__(self, requests: Iterator[bytes], rate: float, seconds: float) -> None:
        super().__init__(requests)
        self._rate = rate
        self._seconds = seconds
        self._free: list[Connection] = []
        self._due: list[float] = []
        self._all_sent = False

    async def run(self, addresses: Sequence[Address], connections: int) -> Outcome:
        await self.open(addresses, connections)
        self._free = list(self.connections)
        began = time.perf_counter()
        sent, total = 0, int(self._rate * self._seconds)
        while sent < total:
            due = min(total, int((time.perf_counter() - began) * self._rate) + 1)
            self._due += [began + number / self._rate for number in range(sent, due)]
            sent = due
            self._send()
            await asyncio.sleep(TICK_SECONDS)
        self._all_sent = True
        self._check()
        outcome = await self.finish(began, ANSWER_SECONDS)
        outcome.statuses[BROKEN] += len(self._due)
        return outcome

    def answered(self, connection: Connection, status: int, body: bytes) -> None:  # noqa: ARG002
        self.outcome.add(status, time.perf_counter() - connection.since)
        self.under_way -= 1
        if not connection.lost:
            self._free.append(connection)
        self._send()
        self._check()

    def _send(self) -> None:
        while self._due and self._free:
            self.under_way += 1
            self._free.pop().send(next(self.requests), self._due.pop(0))

    def _check(self) -> None:
        if self._all_sent and not self.under_way:
            self.over.set()
