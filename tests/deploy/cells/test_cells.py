"""Two real cells behind HAProxy: no id in two of them, whichever ends and whatever moves."""

from __future__ import annotations

import asyncio
import itertools
import random
import uuid
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import pytest

from gateway.cells.hash_slots import number_of
from tests.support.cell.cells import Cells, running_cells
from tests.support.cell.guards import needs_haproxy
from tests.support.processes import call, wait_until
from tools.cells.__main__ import main

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = needs_haproxy

CLIENTS: Final = 32
LISTED: Final = 1000


@dataclass(frozen=True)
class Begun:
    """What one request of a begin was answered, at last."""

    status: int
    id: str
    created: bool
    refusals: int


@pytest.fixture(name="cells", scope="module")
def _cells(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cells]:
    with running_cells(tmp_path_factory.mktemp("cells"), "a", "b") as cells:
        yield cells


@pytest.fixture(name="session")
async def _session(cells: Cells) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(limit=CLIENTS)
    async with aiohttp.ClientSession(cells.url, connector=connector) as session:
        yield session


async def begin(
    session: aiohttp.ClientSession, id: str = "", *, key: str = "", repeats: int = 0, at: str = ""
) -> Begun:
    """Begin an execution, through HAProxy or at a gateway, and repeat a 503 so often."""
    query, headers = ({"id": id} if id else {}), ({"Idempotency-Key": key} if key else {})
    for refusals in itertools.count():
        async with session.post(f"{at}/begin", params=query, headers=headers) as response:
            body = await response.json()
            if response.status == 503:
                assert int(response.headers["Retry-After"]) > 0
                if refusals < repeats:
                    await asyncio.sleep(0.1)
                    continue
            return Begun(
                response.status, body.get("promise", id), body.get("created", False), refusals
            )
    raise AssertionError


def check_once(cells: Cells, begun: list[Begun]) -> None:
    """Check that each id is in the store of its cell alone, and that its step ran once."""
    ids = {each.id for each in begun}
    assert cells.stores_of(ids) == {id: [cells.owner(id)] for id in ids}
    cells.all_ended()
    started = cells.steps_started()
    assert {started[id, "foo"] for id in ids} == {1}


@pytest.mark.parametrize("count", [240, pytest.param(2000, marks=pytest.mark.long)])
async def test_begins_at_once(cells: Cells, session: aiohttp.ClientSession, count: int) -> None:
    """Of two that come at the same time one creates the execution, whichever way the id comes."""
    one = uuid.uuid4().hex[:8]
    ids = [f"job-{one}-{number}" for number in range(count)]

    def both(number: int) -> list[asyncio.Task[Begun]]:
        match number % 3:
            case 0:
                ways = [begin(session), begin(session)]
            case 1:
                ways = [begin(session, ids[number]), begin(session, ids[number])]
            case _:
                ways = [begin(session, key=ids[number]), begin(session, key=f'"{ids[number]}"')]
        return [asyncio.create_task(way) for way in ways]

    begun = await asyncio.gather(*(task for number in range(count) for task in both(number)))

    created = Counter(each.id for each in begun if each.created)
    assert {each.status for each in begun} <= {200, 202}
    assert set(created.values()) == {1}
    assert created.keys() == {each.id for each in begun}
    assert {id for number, id in enumerate(ids) if number % 3} <= created.keys()
    check_once(cells, begun)
    assert min(Counter(map(cells.owner, created)).values()) > count / 4


def ids_of(cells: Cells, cell: str, count: int) -> list[str]:
    """Return new ids whose hash slots a cell owns."""
    new = (f"job-{uuid.uuid4().hex[:12]}" for _ in itertools.count())
    return list(itertools.islice((id for id in new if cells.owner(id) == cell), count))


async def test_a_cell_without_its_server_takes_no_other_cell_along(
    cells: Cells, session: aiohttp.ClientSession
) -> None:
    """Its ids are 503 until it is back, in no other store; everything else goes on."""
    lost, others = (ids_of(cells, cell, 20) for cell in "ab")
    server = cells.stacks["a"].server
    server.kill()

    refused = await asyncio.gather(*(begin(session, id) for id in lost))
    went_on = await asyncio.gather(*(begin(session, id) for id in others))
    without = await asyncio.gather(*(begin(session, repeats=50) for _ in range(20)))

    assert {each.status for each in refused} == {503}
    assert {(each.status, each.refusals) for each in went_on} == {(202, 0)}
    assert {each.status for each in without} == {202}
    assert cells.stores_of(lost) == {id: [] for id in lost}
    assert {cells.owner(each.id) for each in without} == {"b"}
    server.start()
    every = {"a-1", "b-1"}
    wait_until(lambda: cells.balancer.passes_to("any-with-server") == every, what="the cell")
    back = await asyncio.gather(*(begin(session, id, repeats=50) for id in lost))
    assert {each.status for each in back} == {202}
    check_once(cells, [*went_on, *without, *back])


async def page(session: aiohttp.ClientSession, cursor: str | None) -> dict[str, Any]:
    """Return a page of the list."""
    query = {"limit": "100", **({"cursor": cursor} if cursor else {})}
    async with session.get("/list", params=query) as response:
        assert response.status == 200, await response.text()
        body: dict[str, Any] = await response.json()
        return body


async def test_the_list_has_each_execution_of_all_cells_once(
    cells: Cells, session: aiohttp.ClientSession
) -> None:
    """Its pages have all ids, while others are begun, any gateway answers, and a cell is away."""
    missing = max(0, LISTED - sum(len(cells.stored(cell)) for cell in cells.stacks))
    begun = await asyncio.gather(*(begin(session) for _ in range(missing)))
    assert {each.status for each in begun} <= {202}
    expected = {id for cell in cells.stacks for id in cells.stored(cell)}
    server = cells.stacks["b"].server
    listed: list[str] = []
    away: list[list[str]] = []
    cursor = None
    for number in itertools.count():
        if number == 2:
            server.kill()
        if number == 4:
            await asyncio.to_thread(server.start)
        found = await page(session, cursor)
        away.append(found.get("away", []))
        listed += [item["id"] for item in found["items"]]
        cursor = found["next_cursor"]
        if cursor is None:
            break
        await begin(session, repeats=50)

    assert len(expected) >= LISTED
    assert away[:5] == [[], [], ["b"], ["b"], []]
    assert Counter(listed) == dict.fromkeys(expected, 1)
    times = await asyncio.gather(*(begin(session, id) for id in random.sample(listed, 20)))
    assert not any(each.created for each in times)


async def test_a_hash_slot_moves_while_clients_begin(
    cells: Cells, session: aiohttp.ClientSession
) -> None:
    """No id is in two cells, none is lost, and old ids are answered by their new cell.

    Each id is begun through HAProxy and at a gateway of either cell, all at once.
    """
    ways = ["", *(stack.url for stack in cells.stacks.values())]
    slot, moved = 7, asyncio.Event()
    new = (f"job-{uuid.uuid4().hex[:12]}" for _ in itertools.count())
    ids = (id for id in new if number_of(id) == slot)
    begun: list[Begun] = []

    async def client() -> None:
        after = 5
        while after:
            id = next(ids)
            each = (begin(session, id, repeats=300, at=url) for url in ways)
            begun.extend(await asyncio.gather(*each))
            after -= moved.is_set()

    clients = [asyncio.create_task(client()) for _ in range(4)]
    path, socket = str(cells.map_file), cells.balancer.admin_socket
    command = ["move", "--map", path, "--haproxy", str(socket), "--slot", str(slot), "--to", "b"]
    assert await asyncio.to_thread(main, command) == 0
    moved.set()
    await asyncio.gather(*clients)

    assert {each.status for each in begun} <= {200, 202}
    stores = cells.stores_of({each.id for each in begun})
    assert Counter(len(cells) for cells in stores.values()) == {1: len(stores)}
    assert {cell for (cell,) in stores.values()} == {"a", "b"}
    assert set(Counter(each.id for each in begun if each.created).values()) == {1}
    cells.all_ended()
    old = next(id for id, (cell,) in stores.items() if cell == "a")
    assert call(f"{cells.url}/wait?id={old}").body["done"]
    assert (await begin(session, old)).created is False
    assert "a" in cells.map().slots[slot].former
