"""Subscriptions that are made a few at a time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import pytest

from gateway.errors import BackendUnavailable, Saturated
from gateway.model.execution import Execution
from gateway.updates.cache import ExecutionCache
from gateway.updates.subscriptions import CONCURRENT_SUBSCRIBES, Subscriptions
from shared.settings import ServerSettings

if TYPE_CHECKING:
    from gateway.backend.client import Backend


class HeldBackend:
    """Answers a subscription once it is released, or fails it with `error`."""

    name = "gateway-1"

    def __init__(self) -> None:
        self.released = asyncio.Event()
        self.error: Exception | None = None
        self.asked: list[str] = []

    async def subscribe(self, id: str) -> Execution:
        self.asked.append(id)
        await self.released.wait()
        if self.error is not None:
            raise self.error
        return Execution(id, "pending", "foo", "null", 1_000, 2_000)


@pytest.fixture(name="backend")
def _backend() -> HeldBackend:
    return HeldBackend()


@pytest.fixture(name="subscriptions")
def _subscriptions(backend: HeldBackend) -> Subscriptions:
    return Subscriptions(cast("Backend", backend), ExecutionCache(), ServerSettings())


async def settle() -> None:
    """Let everything happen that can happen now."""
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.parametrize("turns", range(6))
async def test_a_request_is_served_whenever_it_comes(
    backend: HeldBackend, subscriptions: Subscriptions, turns: int
) -> None:
    """A request that comes just as all others have been served does not stay behind."""
    first = [subscriptions.request(str(n)) for n in range(CONCURRENT_SUBSCRIBES)]
    await settle()
    backend.released.set()
    for _ in range(turns):
        await asyncio.sleep(0)

    late = subscriptions.request("late")
    await settle()

    assert all(future.done() for future in (*first, late))


async def test_few_subscriptions_are_made_at_once(
    backend: HeldBackend, subscriptions: Subscriptions
) -> None:
    """More requests wait, in order, and a cancelled one is passed over."""
    futures = [subscriptions.request(str(n)) for n in range(CONCURRENT_SUBSCRIBES + 3)]
    await settle()
    assert len(backend.asked) == CONCURRENT_SUBSCRIBES

    futures[-2].cancel()
    backend.released.set()
    await settle()

    assert len(backend.asked) == CONCURRENT_SUBSCRIBES + 2
    assert futures[-1].result().id == str(CONCURRENT_SUBSCRIBES + 2)


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        (BackendUnavailable("away"), CONCURRENT_SUBSCRIBES),
        (Saturated("full"), CONCURRENT_SUBSCRIBES + 5),
    ],
)
async def test_an_outage_is_known_to_all_at_once(
    backend: HeldBackend, subscriptions: Subscriptions, error: Exception, asked: int
) -> None:
    """When the server is away all requests fail; when this process is full each has its try."""
    backend.error = error
    futures = [subscriptions.request(str(n)) for n in range(CONCURRENT_SUBSCRIBES + 5)]
    await settle()
    backend.released.set()
    await settle()

    assert {type(future.exception()) for future in futures} == {type(error)}
    assert len(backend.asked) == asked
