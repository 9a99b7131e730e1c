"""What a gateway has of clients that wait, and of executions that it hears of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.api.keys import LONG_POLLS
from tests.support.gateway.client import until

if TYPE_CHECKING:
    from tests.support.gateway.client import Gateway


async def waiting(gateway: Gateway, count: int) -> None:
    """Return once `count` executions are waited for."""
    await until(lambda: len(gateway.app[LONG_POLLS]) == count)


async def subscribed(gateway: Gateway, id: str) -> None:
    """Return once this gateway has subscribed to the end of the execution."""
    await until(lambda: gateway.app[LONG_POLLS]._cache.subscribed(id) is not None)
