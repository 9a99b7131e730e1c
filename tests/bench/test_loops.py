"""What the load's clients measure, at a server that stalls once."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

import pytest

from bench.loads.http import request
from bench.loads.loops import closed_loop, open_loop
from bench.parts.part import repeated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from bench.loads.loops import Address

STALL_SECONDS = 0.5
QUICK = 0.2
"""Seconds that no answer takes unless the server stalls."""

ONE = request("GET", "/")


class Stalling:
    """Answers at once, but for one request, after which the connections wait."""

    def __init__(self, status: int = 200) -> None:
        self._head = f"HTTP/1.1 {status} Some\r\ncontent-length: 2\r\n\r\n{{}}".encode()
        self._answered = 0
        self._listening = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._over = asyncio.Event()
        self.address: Address = ("", 0)

    def __enter__(self) -> Self:
        self._thread.start()
        self._listening.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._thread.join()

    def stop(self) -> None:
        """Close all connections, unless that has happened."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._over.set)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._client, "127.0.0.1", 0)
        self.address = server.sockets[0].getsockname()
        self._listening.set()
        async with server:
            await self._over.wait()
            server.close_clients()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline():
            while await reader.readline() != b"\r\n":
                pass
            self._answered += 1
            if self._answered == 10:
                await asyncio.sleep(STALL_SECONDS)
            writer.write(self._head)
        writer.close()


@pytest.fixture(name="stalling")
def _stalling() -> Iterator[Stalling]:
    with Stalling() as server:
        yield server


def test_a_closed_loop_sees_a_stall_once(stalling: Stalling) -> None:
    """A client that waits for its answer sends nothing meanwhile."""
    outcome = closed_loop([stalling.address], repeated(ONE), clients=1, count=60)

    assert outcome.good == 60
    assert sum(latency > QUICK for latency in outcome.latencies) == 1


def test_an_open_loop_sees_a_stall_in_all_requests_that_were_due(stalling: Stalling) -> None:
    """Times count from when a request should have been sent, not from when it was."""
    outcome = open_loop([stalling.address], repeated(ONE), rate=100, seconds=0.9, connections=1)

    assert outcome.good == 90
    assert sum(latency > QUICK for latency in outcome.latencies) >= 20
    assert max(outcome.latencies) >= STALL_SECONDS


def test_answers_that_are_no_success_count_as_failed() -> None:
    """They are in no rate and in no percentile."""
    with Stalling(503) as server:
        outcome = closed_loop([server.address], repeated(ONE), clients=2, count=6)

    assert (outcome.good, outcome.failed, outcome.statuses[503]) == (0, 6, 6)


@pytest.mark.alone
def test_a_load_ends_although_its_server_goes(stalling: Stalling) -> None:
    """A lost connection is a failed request, and the load ends with the last connection."""
    threading.Timer(0.2, stalling.stop).start()

    outcome = closed_loop([stalling.address], repeated(ONE), clients=1, seconds=20)

    assert outcome.failed == 1
    assert outcome.seconds < 5


def test_a_load_runs_in_any_thread(stalling: Stalling) -> None:
    """Only the main thread can handle signals, and a part of the bench has loads in two threads."""
    with ThreadPoolExecutor(1) as threads:
        load = threads.submit(closed_loop, [stalling.address], repeated(ONE), clients=1, count=3)

        assert load.result(30).good == 3


@pytest.mark.alone
def test_a_signal_ends_a_load_at_any_moment(
    stalling: Stalling,
) -> None:
    """What the signal's handler raises is raised, also if it came while an answer was read."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    def interrupted() -> Iterator[bytes]:
        yield from [ONE] * 5
        os.kill(os.getpid(), signal.SIGINT)
        yield from repeated(ONE)

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            closed_loop([stalling.address], interrupted(), clients=1, seconds=20)
        assert time.monotonic() - began < 5
        assert signal.getsignal(signal.SIGINT) is interrupt
    finally:
        signal.signal(signal.SIGINT, before)
