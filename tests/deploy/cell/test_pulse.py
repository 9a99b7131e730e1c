"""Which answers of a server are signs of life."""

from __future__ import annotations

import asyncio
from typing import Self

import pytest

from deploy.store.guard import pulse
from deploy.store.guard.pulse import Pulse

SECONDS = 0.1
"""Seconds of a check here."""


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "CHECK_SECONDS", SECONDS)


class Server:
    """Answers like a server, in the ways that a test takes away from it."""

    def __init__(self) -> None:
        self.pings = True
        self.rounds = True
        self.begins_reads = True
        self.reads: bytes | None = None
        """The answer to a read; None while PostgreSQL gives none."""

        self.count = 0
        self._listening: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._listening = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._listening is not None
        self._listening.close()
        self._listening.close_clients()

    def watched(self) -> Pulse:
        """Return what watches it."""
        assert self._listening is not None
        address: tuple[str, int] = self._listening.sockets[0].getsockname()
        return Pulse(address, address)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1]
        answer = self._answer_to(path)
        if answer is None:
            await reader.read()
        else:
            writer.write(b"HTTP/1.0 " + answer)
        writer.close()

    def _answer_to(self, path: bytes) -> bytes | None:
        if path == b"/ping":
            return b"200 OK\r\n\r\n" if self.pings else None
        if path == b"/metrics":
            self.count += self.rounds
            return b'200 OK\r\n\r\ncoroutines_total{type="x"} %d\n' % self.count
        self.count += self.begins_reads
        return self.reads


async def is_lost(pulse_: Pulse, checks: float) -> bool:
    """Return whether the server is found to hang within so many checks."""
    try:
        async with asyncio.timeout(checks * SECONDS):
            await pulse_.lost()
    except TimeoutError:
        pass
    return pulse_.is_lost


async def hangs(**taken: object) -> bool:
    """Return whether a server hangs that lives at first, and then has lost this."""
    async with Server() as server:
        watched = server.watched()
        found = asyncio.create_task(is_lost(watched, 15))
        while server.count < 4:  # noqa: ASYNC110 - the server is asked, and says nothing by itself
            await asyncio.sleep(SECONDS / 10)
        for name, value in taken.items():
            setattr(server, name, value)
        return await found


REFUSED = b"401 Unauthorized\r\n\r\n"
QUEUE_FULL = b'503 Service Unavailable\r\n\r\n{"error":{"code":50301}}'
SCHEDULER_FULL = b'503 Service Unavailable\r\n\r\n{"error":{"code":50303}}'


@pytest.mark.parametrize(
    "taken",
    [
        {"pings": False},
        {"rounds": False, "begins_reads": False},
        {"rounds": False, "begins_reads": False, "reads": QUEUE_FULL},
    ],
)
async def test_a_server_that_hangs(taken: dict[str, object]) -> None:
    """Its listener or its loop has stopped."""
    assert await hangs(**taken)


@pytest.mark.parametrize(
    "taken",
    [
        {},
        {"rounds": False},
        {"rounds": False, "begins_reads": False, "reads": SCHEDULER_FULL},
        {"rounds": False, "begins_reads": False, "reads": REFUSED},
    ],
)
async def test_a_server_that_waits_for_postgresql(taken: dict[str, object]) -> None:
    """Its loop begins calls, or has no room for more, or nobody can tell."""
    assert not await hangs(**taken)


async def test_a_server_that_starts() -> None:
    """One that has never lived is given time."""
    async with Server() as server:
        server.pings = False
        assert not await is_lost(server.watched(), 10)
