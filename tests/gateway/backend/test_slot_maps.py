"""What a store knows of slot maps, SQLite or PostgreSQL."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest

from bench.stacks.server import BenchServer
from bench.stacks.stores import postgres, postgres_programs
from gateway.backend.client import Backend
from gateway.settings import GatewaySettings
from shared.resonate.large_values import NEVER
from shared.resonate.store import Store
from shared.resonate.transport import Transport
from shared.settings import ServerSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SEVERAL = 5


@pytest.fixture(name="server", params=["sqlite", "postgres"])
def _server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ServerSettings]:
    with ExitStack() as exits:
        store = None
        if request.param == "postgres":
            if postgres_programs() is None:
                pytest.skip("PostgreSQL is not installed")
            store = exits.enter_context(postgres())
        server = BenchServer(tmp_path, store=store)
        server.start()
        exits.callback(server.kill)
        yield ServerSettings("http://127.0.0.1", server.store_port, server.message_port)


@pytest.fixture(name="gateways")
def _gateways(server: ServerSettings) -> Iterator[list[Backend]]:
    """Yield what several gateways of one cell ask the server with."""
    with ExitStack() as exits:
        made = [Backend(GatewaySettings(server=server)) for _ in range(SEVERAL)]
        for each in made:
            exits.enter_context(closing(each))
        yield made


async def test_only_the_latest_map_of_a_store_is_accepted(
    gateways: list[Backend], server: ServerSettings
) -> None:
    """Whoever stores it first, and whatever was stored late; nobody else ever sees the records."""
    first = gateways[0]

    async def kept(generation: int, digest: str = "one", cell: str = "a") -> list[str | None]:
        asked = (each.keep_slot_map(cell, generation, digest) for each in gateways)
        return list(await asyncio.gather(*asked))

    assert await kept(9) == [None] * SEVERAL
    assert await kept(9) == [None] * SEVERAL
    for other in (await kept(9, "two"), await kept(9, cell="b")):
        assert set(other) == {"the store knows another map of generation 9, or another cell's"}
    assert await kept(10, "two") == [None] * SEVERAL
    assert await first.keep_slot_map("a", 9, "one") == "the store knows generation 10"
    # A gateway that was late stores an older one last; values of `slot-map` are none of these.
    assert await first.keep_slot_map("a", 8, "one") == "the store knows generation 10"
    with closing(Transport(server, attempt=2, budget=2)) as transport:
        Store(transport).promises.create("=slot-map=99", NEVER)
    assert await first.keep_slot_map("a", 10, "two") is None
    assert await first.keep_slot_map("a", 9, "one") == "the store knows generation 10"

    assert await first.searches.page("*", 100, None) == ([], None)
    assert await first.searches.newest_number() >= 4
