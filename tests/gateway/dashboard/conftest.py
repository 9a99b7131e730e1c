"""A board that observes played workers, and a gateway whose port for workers is played."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.api.keys import WORKERS
from tests.support.dashboard import Scene
from tests.support.gateway.presence import Released, presence_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.gateway.client import Gateway
    from tests.support.gateway.presence import PresencePort


@pytest.fixture(name="scene")
def _scene() -> Scene:
    return Scene()


@pytest.fixture(name="port")
async def _port(gateway: Gateway) -> AsyncIterator[PresencePort]:
    """Yield a port at which workers connect to the gateway."""
    async with presence_port(Released(), gateway.app[WORKERS]) as port:
        yield port
