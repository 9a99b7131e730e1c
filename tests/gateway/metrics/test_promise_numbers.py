"""The newest promise's number is asked for seldom, and no scrape waits for it."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from gateway.errors import BackendUnavailable
from gateway.metrics import promise_numbers
from gateway.metrics.promise_numbers import PromiseNumbers
from shared.resonate.cursors import HIGHEST

if TYPE_CHECKING:
    import pytest


class Server:
    """Says a number once it may, or that it is away."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = asyncio.Event()
        self.number: int | None = HIGHEST // 2 + 1

    async def newest(self) -> int:
        """Return the number."""
        self.asked += 1
        await self.may_answer.wait()
        if self.number is None:
            raise BackendUnavailable("away")
        return self.number


async def settled() -> None:
    """Let tasks that can go on do so."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_many_scrapes_make_one_read() -> None:
    """While a read runs, and for a while after it, scrapes begin no other."""
    server = Server()
    numbers = PromiseNumbers(server.newest)
    async with numbers.running():
        for _ in range(3):
            numbers.refresh()
            await settled()
        assert math.isnan(numbers.used_ratio)

        server.may_answer.set()
        await settled()
        numbers.refresh()
        await settled()

    assert server.asked == 1
    assert round(numbers.used_ratio, 3) == 0.5


async def test_a_slow_server_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A read that takes long keeps others away; the end of the gateway ends it."""
    monkeypatch.setattr(promise_numbers, "KEPT_SECONDS", 0.0)
    server = Server()
    numbers = PromiseNumbers(server.newest)
    async with numbers.running():
        for _ in range(3):
            numbers.refresh()
            await settled()

    assert server.asked == 1


async def test_a_server_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """The former number stays while there is no other, and is replaced later."""
    monkeypatch.setattr(promise_numbers, "KEPT_SECONDS", 0.0)
    server = Server()
    server.may_answer.set()
    numbers = PromiseNumbers(server.newest)
    seen = []
    async with numbers.running():
        for number in (HIGHEST // 4, None, HIGHEST):
            server.number = number
            numbers.refresh()
            await settled()
            seen.append(round(numbers.used_ratio, 2))

    assert seen == [0.25, 0.25, 1.0]
