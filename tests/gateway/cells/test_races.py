"""Two real cells at bad moments: no id is in two stores, and a map is in force only when it is."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import socket
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import pytest

from gateway.cells.hash_slots import number_of
from tests.support.cells import Cells, running_cells
from tests.support.processes import call, wait_until
from tests.support.several_processes import numbered

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(name="cells", scope="module")
def _cells(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cells]:
    with running_cells(tmp_path_factory.mktemp("cells")) as cells:
        yield cells


@pytest.fixture(name="pool")
def _pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def new_id(cells: Cells, cell: str) -> str:
    """Return an id that no test has used, of an open hash slot of a cell that has no former one."""
    ids = (f"job-{uuid.uuid4().hex[:12]}" for _ in itertools.count())
    return next(id for id in ids if cells.slots[number_of(id)] == {"cell": cell})


def stored(cells: Cells, id: str) -> list[str]:
    """Return the cells that have an id in their stores."""
    return [cell for cell in "ab" if cells.has(cell, id)]


def begun(cells: Cells, cell: str, id: str) -> dict[str, Any]:
    """Repeat a begin until it is answered with a success."""

    def answered() -> Any:
        answer = cells.begin(cell, id)
        assert answer.status in {200, 202, 503}, answer
        return answer.status != 503 and answer.body

    found: dict[str, Any] = wait_until(answered, what=f"begin of {id}")
    return found


def follows(cells: Cells, cell: str) -> None:
    """Wait until a gateway has read the newest map, whether it is in force or not."""
    log = cells.stacks[cell].gateways["gateway"]
    wait_until(
        lambda: log.events("slot map changed", generation=cells.generation), what="the new map"
    )


def unread(port: int) -> bool:
    """Return whether bytes have come to a port that whoever listens there has not read."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    queues = [row[4] for row in rows if int(row[1].rpartition(":")[2], 16) == port]
    return any(int(queue.rpartition(":")[2], 16) for queue in queues)


def test_a_begin_under_way_keeps_a_closed_hash_slot_from_moving(
    cells: Cells, pool: ThreadPoolExecutor
) -> None:
    """The server is frozen with the begin: the map is not in force until it has gone on."""
    id = new_id(cells, "a")
    server = cells.stacks["a"].server
    server.signal(signal.SIGSTOP)
    try:
        under_way = pool.submit(cells.begin, "a", id)
        wait_until(lambda: unread(server.store_port), what="a begin on its way")
        cells.put({number_of(id): {"cell": "a", "closed": True}})
        follows(cells, "a")
        assert under_way.result().status == 503
        assert cells.in_force("b") == cells.generation
        assert cells.in_force("a") < cells.generation
    finally:
        server.signal(signal.SIGCONT)
    wait_until(lambda: cells.in_force("a") == cells.generation, what="the map in force")
    cells.change({number_of(id): {"cell": "b", "former": ["a"]}})

    found = begun(cells, "b", id)

    assert stored(cells, id) == (["b"] if found["created"] else ["a"])


def test_a_gateway_that_is_frozen_in_a_begin_begins_nothing_late(
    cells: Cells, pool: ThreadPoolExecutor
) -> None:
    """While it is frozen its cell is away; once it goes on, the id is in one cell."""
    ids = [new_id(cells, "a") for _ in range(3)]
    gateway = cells.stacks["a"].gateways["gateway"]
    server = cells.stacks["a"].server
    server.signal(signal.SIGSTOP)
    try:
        under_way = [pool.submit(cells.begin, "a", id) for id in ids]
        wait_until(lambda: unread(server.store_port), what="begins on their way")
        gateway.signal(signal.SIGSTOP)
        cells.put({number_of(id): {"cell": "a", "closed": True} for id in ids})
        wait_until(lambda: cells.in_force("b") == cells.generation, what="the map at b")
        # Nobody may go on with the move now; a program that does is not believed either.
        cells.put({number_of(id): {"cell": "b", "former": ["a"]} for id in ids})
        wait_until(lambda: cells.in_force("b") == cells.generation, what="the map at b")
        refused = cells.begin("b", ids[0])
    finally:
        gateway.signal(signal.SIGCONT)
        server.signal(signal.SIGCONT)
    for each in under_way:
        each.result()
    wait_until(lambda: cells.in_force("a") == cells.generation, what="the map in force")
    found = {id: begun(cells, "b", id)["created"] for id in ids}

    assert refused.status == 503
    assert {id: stored(cells, id) for id in ids} == {
        id: ["b"] if created else ["a"] for id, created in found.items()
    }


def test_a_killed_gateway_is_followed_by_one_that_waits_for_the_server(cells: Cells) -> None:
    """A begin of the killed one may lie in a frozen server's connections."""
    gateway = cells.stacks["a"].gateways["gateway"]
    server = cells.stacks["a"].server
    gateway.kill()
    server.signal(signal.SIGSTOP)
    try:
        gateway.start()
        gateway.started("gateway started")
        said = [cells.in_force("a") for _ in range(5)]
    finally:
        server.signal(signal.SIGCONT)
    wait_until(lambda: cells.in_force("a") == cells.generation, what="the map in force")

    assert said == [0] * 5


def test_a_move_under_load_begins_each_id_once(cells: Cells, pool: ThreadPoolExecutor) -> None:
    """Clients begin ids of a hash slot at both cells while it moves, and moves back."""
    slot = number_of(new_id(cells, "a"))
    new = (f"job-{uuid.uuid4().hex[:12]}" for _ in itertools.count())
    ids = (id for id in new if number_of(id) == slot)
    taking = Lock()
    done: list[tuple[str, int]] = []
    ends: list[bool] = []

    def client() -> None:
        while not ends:
            with taking:
                id = next(ids)
            both = [begun(cells, cell, id)["created"] for cell in "abab"]
            done.append((id, sum(both)))

    clients = [pool.submit(client) for _ in range(4)]
    try:
        for owner, former in (("b", "a"), ("a", "b")):
            before = cells.slots[slot]
            cells.change({slot: {**before, "closed": True}})
            cells.change({slot: {"cell": owner, "former": [former]}})
            count = len(done)
            wait_until(lambda count=count: len(done) > count + 3, what="more begins")  # type: ignore[misc]
    finally:
        ends.append(True)
    for each in clients:
        each.result()

    assert {created for _, created in done} == {1}
    stores = {id: stored(cells, id) for id, _ in done}
    assert all(len(cells) == 1 for cells in stores.values())
    assert {cell for (cell,) in stores.values()} == {"a", "b"}


def test_a_map_that_is_bad_or_older_changes_nothing(cells: Cells) -> None:
    """The log says once why, and the next good map is taken."""
    log = cells.stacks["a"].gateways["gateway"]
    content = cells.path.read_bytes()
    generation = cells.generation

    def refusals() -> int:
        return len(log.events("slot map not changed"))

    for bad in (b"{", json.dumps(json.loads(content) | {"generation": 1}).encode()):
        before = refusals()
        cells.path.write_bytes(bad)
        wait_until(lambda before=before: refusals() > before, what="a line in the log")  # type: ignore[misc]
        log.signal(signal.SIGHUP)
        assert cells.in_force("a") == generation
    cells.change({})
    assert cells.generation == generation + 1


def test_gateways_with_different_maps_begin_nothing_on_a_guess(cells: Cells) -> None:
    """One that has an old map passes a begin on to the old cell, which refuses it."""
    id = new_id(cells, "a")
    stale = cells.path.with_name("stale.json")
    stale.write_bytes(cells.path.read_bytes())
    url = cells.stacks["b"].add_gateway("stale", GATEWAY_CELLS=str(stale), GATEWAY_CELL="b")
    cells.change({number_of(id): {"cell": "a", "closed": True}})
    cells.change({number_of(id): {"cell": "b", "former": ["a"]}})

    refused = call(f"{url}/begin?id={id}&function=foo", "POST", {})
    nowhere = stored(cells, id)
    begun_at_b = begun(cells, "b", id)
    cells.stacks["b"].gateways["stale"].kill()

    assert (refused.status, nowhere) == (503, [])
    assert "Retry-After" in refused.headers
    assert begun_at_b["created"]
    assert stored(cells, id) == ["b"]


def test_a_gateway_started_again_with_an_old_file_begins_nothing(cells: Cells) -> None:
    """A hash slot was moved since: another cell has ids of it. What is stored is answered."""
    id, stays, known = (new_id(cells, "a") for _ in range(3))
    assert cells.begin("a", known).status == 202
    old, gateway = cells.path.read_bytes(), cells.stacks["a"].gateways["gateway"]
    cells.change({number_of(id): {"cell": "a", "closed": True}})
    cells.change({number_of(id): {"cell": "b", "former": ["a"]}})
    assert begun(cells, "b", id)["created"]
    newest = cells.path.read_bytes()
    gateway.stop()
    cells.path.write_bytes(old)
    gateway.start()
    gateway.started("gateway started")

    refused = [cells.begin("a", each) for each in (id, stays)]
    refused.append(cells.call("a", "/begin?function=foo", "POST", {}))
    again = cells.begin("a", known)
    said = cells.call("a", "/cells").body
    lines = gateway.events("slot map is not the latest, no new ids taken")
    nowhere = stored(cells, stays)
    cells.path.write_bytes(newest)
    wait_until(lambda: cells.in_force("a") == cells.generation, what="the map in force")
    mended = cells.begin("a", stays)

    assert [(each.status, "Retry-After" in each.headers) for each in refused] == [(503, True)] * 3
    assert {each.body["detail"] for each in refused} == {
        "This gateway of cell a has an old slot map; ask another one."
    }
    assert (again.status in {200, 202}, again.body["created"]) == (True, False)
    assert said == {"cell": "a", "generation": 0, "digest": ""}
    assert [line["reason"] for line in lines] == [f"the store knows generation {cells.generation}"]
    assert nowhere == []
    assert (mended.status, mended.body["created"]) == (202, True)
    assert stored(cells, id) == ["b"]


def is_degraded(url: str) -> bool:
    """Return whether a gateway says that its slot map is no good."""
    body = call(f"{url}/readyz").body
    return (body["status"], body.get("detail", "")[:9]) == ("degraded", "slot map:")


def test_of_two_maps_of_one_generation_the_first_one_counts(cells: Cells) -> None:
    """That of the cell's other gateways; one of another cell is none of this store's either."""
    content = json.loads(cells.path.read_bytes())
    own = cells.path.with_name("own.json")
    for name, edited in (
        ("a", {**content, "slots": [{"slots": "0-63", "cell": "a"}]}),
        ("b", content),
    ):
        own.write_text(json.dumps(edited))
        settings: dict[str, Any] = {"GATEWAY_CELLS": str(own), "GATEWAY_CELL": name}
        url = cells.stacks["a"].add_gateway("edited", ready=False, **settings)
        gateway = cells.stacks["a"].gateways["edited"]
        wait_until(partial(is_degraded, url), what="the store's word, shown to balancers")
        id = new_id(cells, name)

        refused = call(f"{url}/begin?id={id}&function=foo", "POST", {})
        own.write_bytes(cells.path.read_bytes())
        if name == "a":
            wait_until(
                lambda url=url: call(f"{url}/cells").body["generation"] == cells.generation,  # type: ignore[misc]
                what="the map of the others",
            )
        gateway.stop()

        assert refused.status == 503
        assert stored(cells, id) == []
    found = cells.call("a", "/list?limit=200").body["items"]
    assert not [item["id"] for item in found if "slot" in item["id"]]


def test_a_gateway_that_drains_follows_the_map(cells: Cells) -> None:
    """A begin that came before goes on, and what is moved meanwhile must not be let in."""
    settings: dict[str, Any] = {"GATEWAY_CELLS": str(cells.path), "GATEWAY_CELL": "a"}
    url = cells.stacks["a"].add_gateway("ends", **settings)
    gateway = cells.stacks["a"].gateways["ends"]
    head = "POST /begin?function=foo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n"
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), 10) as client:
        client.sendall(
            f"{head}Content-Type: application/json\r\nExpect: 100-continue\r\n\r\n".encode()
        )
        assert b" 100 " in client.recv(100)  # the gateway waits for the body now
        gateway.signal(signal.SIGTERM)
        gateway.started("draining")
        cells.put()
        wait_until(lambda: gateway.events("slot map changed"), what="the new map")
    gateway.stop()
    cells.change({})


def test_all_processes_of_a_gateway_count(cells: Cells) -> None:
    """The generation is the lowest of all; while one does not answer it is 0."""
    settings: dict[str, Any] = {"GATEWAY_CELLS": str(cells.path), "GATEWAY_CELL": "b"}
    url = cells.stacks["b"].add_gateway("several", GATEWAY_PROCESSES="2", **settings)
    several = cells.stacks["b"].gateways["several"]

    def said() -> object:
        with contextlib.suppress(OSError):  # the kernel may choose the process that is frozen
            return call(f"{url}/cells", timeout=3).body
        return None

    in_force = cells.call("b", "/cells").body
    wait_until(lambda: said() == in_force, what="both processes")
    frozen = numbered(several)["1"]
    os.kill(frozen, signal.SIGSTOP)
    try:
        one_frozen = wait_until(said, what="an answer of the other process")
    finally:
        os.kill(frozen, signal.SIGCONT)
    several.stop()

    assert one_frozen == {"cell": "b", "generation": 0, "digest": ""}
