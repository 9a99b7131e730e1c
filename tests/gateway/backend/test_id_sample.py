"""Searches by prefix: only those that read little are made."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest

from gateway.backend.id_sample import FEW_ROWS, IdSample, LatestSample, take_sample
from gateway.settings import GatewaySettings
from shared.resonate.store import Store
from shared.resonate.transport import Transport
from shared.settings import ServerSettings
from tests.support.faults.proxy import proxy_to
from tests.support.filled_store import copy_execution
from tests.support.gateway.client import until
from tests.support.server import resonate_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.gateway.client import Gateway, StartGateway
    from tests.support.server import Server

ROWS = 6_000


@pytest.fixture(name="full_server", scope="module")
def _full_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Yield a server with thousands of `order_…`, and one `rare-1` older than them."""
    with resonate_server(tmp_path_factory.mktemp("full")) as server:
        transport = Transport(
            ServerSettings("http://127.0.0.1", server.store_port), attempt=5, budget=5
        )
        tags = {"kind": "execution", "function": "foo"}
        call = '{"func":"foo","args":["1"],"kwargs":{},"version":1}'
        for id in ("rare-1", "template"):
            Store(transport).promises.create(id, 2**52, data=call, tags=tags)
        transport.close()
        copy_execution(server.database, "template", "order_", ROWS)
        yield server


async def listed(gateway: Gateway, prefix: str) -> list[str]:
    """Return the ids with a prefix, from all pages."""
    ids: list[str] = []
    cursor = ""
    while True:
        answer = await gateway.ask("GET", f"/list?prefix={prefix}&limit=200{cursor}")
        ids += [item["id"] for item in answer.body["items"]]
        if answer.body["next_cursor"] is None:
            return ids
        cursor = f"&cursor={answer.body['next_cursor']}"


@pytest.mark.parametrize(
    ("prefix", "searched", "count"),
    [
        ("rare", "rare*", 1),
        ("RARE", "RARE*", 0),
        ("zzz", "zzz*", 0),
        ("order", "*", ROWS),
        ("order_599", "*", 11),  # `_` is a wildcard: the server would look at every order
        ("", "*", ROWS + 2),
    ],
)
async def test_what_many_ids_begin_with_is_not_searched_for(
    full_server: Server, start_gateway: StartGateway, prefix: str, searched: str, count: int
) -> None:
    """Few ids are found by the server's index, many by a walk; the list is complete either way."""
    with proxy_to(full_server.store_port) as proxy:
        server = ServerSettings("http://127.0.0.1", full_server.store_port)
        gateway = await start_gateway(
            GatewaySettings(server=replace(server, store_port=proxy.port))
        )
        ids = await listed(gateway, prefix)

    assert len(ids) == len(set(ids)) == count
    searches = [unquote(call) for call in proxy.calls if call.startswith("GET /promises?id=")]
    for_the_list = [c for c in searches if "tags[kind]" in c and "limit=1&" not in c]
    assert {call.partition("id=")[2].partition("&")[0] for call in for_the_list} == {searched}


async def test_a_long_search_is_not_repeated(
    full_server: Server, start_gateway: StartGateway
) -> None:
    """A prefix whose search took long, since it reads very many steps, is walked for next time."""
    with proxy_to(full_server.store_port) as proxy:
        server = ServerSettings("http://127.0.0.1", proxy.port)
        gateway = await start_gateway(GatewaySettings(server=server))
        assert await listed(gateway, "zzz") == []  # takes the sample
        proxy.harm("GET", "/promises", "slow", times=1)
        found = [await listed(gateway, "rare") for _ in range(2)]

    assert found == [["rare-1"]] * 2
    searches = [call for call in map(unquote, proxy.calls) if "id=rare*" in call]
    assert len(searches) == 1


def test_a_sample_sees_the_whole_store(full_server: Server) -> None:
    """Ids come from everywhere, not only from the newest rows, and say how many rows there are."""
    settings = ServerSettings("http://127.0.0.1", full_server.store_port)
    transport = Transport(settings, attempt=5, budget=5)
    sample = take_sample(Store(transport).promises)
    transport.close()

    numbers = [int(id.removeprefix("order_")) for id in sample.ids if id.startswith("order_")]
    assert sample.rows == ROWS + 2
    assert len(numbers) > 300
    assert min(numbers) < ROWS * 0.1
    assert max(numbers) > ROWS * 0.9


@pytest.mark.parametrize(
    ("sample", "few"),
    [
        (IdSample(), True),
        (IdSample(300_000, ["b"] * 500), True),
        (IdSample(300_000, ["a-1"] * 3 + ["b"] * 497), True),
        (IdSample(300_000, ["a-1"] * 4 + ["b"] * 496), False),
        (IdSample(300_000, ["A-1"] * 4 + ["b"] * 496), False),  # SQLite searches ignore case
        (IdSample(FEW_ROWS + 1, ["a-1"] * 2), False),
    ],
)
def test_few_rows_are_estimated(sample: IdSample, few: bool) -> None:  # noqa: FBT001 - a parameter
    """An id of the sample stands for its share of the rows."""
    assert sample.has_few("a-") is few


async def test_a_sample_is_taken_once_for_all() -> None:
    """Those who ask at the same time, and after it, share one sample."""
    taken: list[IdSample] = []
    free = asyncio.Event()

    async def take() -> IdSample:
        taken.append(IdSample(len(taken)))
        await free.wait()
        return taken[-1]

    latest = LatestSample(take)
    asking = [asyncio.create_task(latest.get()) for _ in range(5)]
    await until(lambda: taken)
    free.set()

    assert {id(sample) for sample in await asyncio.gather(*asking)} == {id(taken[0])}
    assert await latest.get() is taken[0]
    assert len(taken) == 1
