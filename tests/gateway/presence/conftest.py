"""The gateway's port for workers, for the tests of this folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.gateway.presence import PresencePort, Released, presence_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture(name="released")
def _released() -> Released:
    return Released()


@pytest.fixture(name="port")
async def _port(released: Released) -> AsyncIterator[PresencePort]:
    async with presence_port(released) as port:
        yield port
