"""Two real cells: which one answers about an id, and which one takes a new one."""

from __future__ import annotations

import itertools
import sqlite3
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Final

import pytest
from multidict import CIMultiDict

from gateway.cells.hash_slots import number_of
from tests.support.cells import Cells, running_cells
from tests.support.processes import call, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

CELLS: Final = ("a", "b")


@pytest.fixture(name="cells", scope="module")
def _cells(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cells]:
    with running_cells(tmp_path_factory.mktemp("cells")) as cells:
        yield cells


def new_id(cells: Cells, cell: str) -> str:
    """Return an id that no test has used, of an open hash slot of a cell that has no former one."""
    ids = (f"job_{uuid.uuid4().hex[:12]}" for _ in itertools.count())
    return next(id for id in ids if cells.slots[number_of(id)] == {"cell": cell})


def stored(cells: Cells, id: str) -> list[str]:
    """Return the cells that have an id in their stores."""
    return [cell for cell in CELLS if cells.has(cell, id)]


@pytest.mark.parametrize("asked", CELLS)
@pytest.mark.parametrize("owner", CELLS)
def test_the_owner_answers_whichever_is_asked(cells: Cells, asked: str, owner: str) -> None:
    """Begins, polls, results, signals and cancels; nothing is stored elsewhere."""
    id = new_id(cells, owner)

    begun = cells.begin(asked, id)
    again = cells.begin(asked, id, headers={"Prefer": "wait=20"})
    polled = cells.call(asked, f"/wait?id={id}&wait=20s")
    tag = CIMultiDict(polled.headers)["ETag"]
    unchanged = cells.call(asked, f"/wait?id={id}", headers={"If-None-Match": tag})
    head = cells.call(asked, f"/wait?id={id}", "HEAD")
    result = cells.call(asked, f"/result?id={id}")
    canceled = cells.call(asked, f"/cancel?id={id}", "POST")
    signaled = cells.call(asked, f"/signal?id={id}&name=go", "POST", 1)

    assert (begun.status, begun.body["created"], begun.headers["Location"]) == (
        202,
        True,
        f"/wait?id={id}",
    )
    assert (again.status, again.headers["Idempotent-Replayed"]) == (200, "true")
    assert again.headers["Preference-Applied"] == "wait=20"
    assert (polled.status, polled.body["status"]) == (200, "resolved")
    assert (unchanged.status, unchanged.body) == (304, None)
    assert (head.status, CIMultiDict(head.headers)["ETag"]) == (200, tag)
    assert head.headers["Content-Length"] == polled.headers["Content-Length"]
    assert (result.status, result.body) == (200, polled.body["result"])
    assert (canceled.status, canceled.body["type"]) == (409, "/problems/already-done")
    assert (signaled.status, signaled.body["type"]) == (409, "/problems/signal-conflict")
    assert stored(cells, id) == [owner]


@pytest.mark.parametrize("asked", CELLS)
@pytest.mark.parametrize("owner", CELLS)
def test_an_unknown_id_is_unknown_everywhere(cells: Cells, asked: str, owner: str) -> None:
    """The owner says so, in the same words."""
    answer = cells.call(asked, f"/wait?id={new_id(cells, owner)}")

    assert (answer.status, answer.body["type"]) == (404, "/problems/unknown-id")


@pytest.mark.parametrize("form", ["{}", '"{}"', ' "{}" '])
def test_an_idempotency_key_is_an_id(cells: Cells, form: str) -> None:
    """Bare and quoted, it is sent to the cell to which the id belongs."""
    id = new_id(cells, "b")
    key = {"Idempotency-Key": form.format(id)}

    begun = cells.call("a", "/begin?function=foo", "POST", {}, key)

    assert (begun.status, begun.body["promise"]) == (202, id)
    assert stored(cells, id) == ["b"]


def test_an_id_may_be_spelled_in_several_ways(cells: Cells) -> None:
    """Whatever is escaped in a query, it is one id."""
    id = new_id(cells, "b")
    spelled = "".join(f"%{ord(letter):02x}" for letter in id)

    begun = cells.call("a", f"/begin?function=foo&%69d={spelled}", "POST", {})

    assert (begun.status, begun.body["promise"]) == (202, id)
    assert stored(cells, id) == ["b"]


@pytest.mark.parametrize("query", ["id=&function=foo", "id=a.b", "id=x&id=y", "id=%ff"])
def test_what_is_no_id_is_refused_where_it_comes(cells: Cells, query: str) -> None:
    """As without cells."""
    assert cells.call("a", f"/begin?{query}", "POST", {}).status == 400


def test_a_begin_without_an_id_stays_where_it_comes(cells: Cells) -> None:
    """The gateway makes ids of its own cell only."""
    begun = {cell: [begin_any(cells, cell) for _ in range(8)] for cell in CELLS}

    owners = {
        cell: {cells.slots[number_of(id)]["cell"] for id in ids} for cell, ids in begun.items()
    }
    assert owners == {"a": {"a"}, "b": {"b"}}


def begin_any(cells: Cells, cell: str) -> str:
    """Begin an execution without an id, and return the one that it got."""
    answer = cells.call(cell, "/begin?function=foo", "POST", {})
    assert answer.status == 202, answer
    id: str = answer.body["promise"]
    return id


@pytest.mark.parametrize("hop", ["b/store", "b/owner", "a/owner", "a/store", "b", "", "c/owner"])
@pytest.mark.parametrize("owner", CELLS)
def test_a_client_gains_nothing_by_the_header(cells: Cells, owner: str, hop: str) -> None:
    """A cell never takes a new id of another one's, whatever `X-Cell-Hop` says."""
    id = new_id(cells, owner)

    answers = [cells.begin(cell, id, headers={"X-Cell-Hop": hop}) for cell in CELLS]

    assert {answer.status for answer in answers} <= {202, 200, 503}
    assert all("Retry-After" in each.headers for each in answers if each.status == 503)
    assert stored(cells, id) in ([], [owner])


def test_old_ids_of_a_moved_hash_slot_answer_through_their_new_cell(cells: Cells) -> None:
    """Polls, replays, cancels and signals; new ids are the new cell's."""
    old, unknown, waiting = new_id(cells, "a"), new_id(cells, "a"), new_id(cells, "a")
    numbers = {number_of(id) for id in (old, unknown, waiting)}
    cells.begin("a", old)
    cells.call("a", f"/begin?id={waiting}&function=approval", "POST", {"question": "?"})
    cells.change({number: {"cell": "a", "closed": True} for number in numbers})
    closed = cells.begin("a", unknown)
    known = cells.begin("a", old)
    cells.change({number: {"cell": "b", "former": ["a"]} for number in numbers})

    replays = [cells.begin(cell, old) for cell in CELLS]
    polls = [cells.call(cell, f"/wait?id={old}&wait=20s") for cell in CELLS]
    canceled = cells.call("b", f"/cancel?id={waiting}", "POST")
    begun = cells.begin("a", unknown)

    assert (closed.status, closed.body["type"]) == (503, "/problems/backend-unavailable")
    assert "Retry-After" in closed.headers
    assert known.body["created"] is False
    assert [each.body["created"] for each in replays] == [False, False]
    assert [each.body["status"] for each in polls] == ["resolved", "resolved"]
    assert (canceled.status, canceled.body["status"]) == (200, "canceled")
    assert begun.body["created"] is True
    assert [stored(cells, id) for id in (old, waiting, unknown)] == [["a"], ["a"], ["b"]]


@pytest.mark.parametrize("asked", CELLS)
def test_an_unknown_id_of_a_closed_hash_slot_is_no_404(cells: Cells, asked: str) -> None:
    """Its next cell may have begun it: a gateway may have an older map than that cell's."""
    known, unknown = new_id(cells, "a"), new_id(cells, "a")
    cells.begin("a", known)
    before = {number_of(id): cells.slots[number_of(id)] for id in (known, unknown)}
    cells.change({number: {**slot, "closed": True} for number, slot in before.items()})

    answers = [
        cells.call(asked, f"/{path}id={unknown}", method, 1 if path.startswith("sig") else None)
        for path, method in (
            *(("wait?", "GET"), ("wait?wait=1s&", "GET"), ("result?", "GET"), ("events?", "GET")),
            *(("cancel?", "POST"), ("signal?name=go&", "POST")),
        )
    ]
    found = cells.call(asked, f"/wait?id={known}")
    cells.change(before)

    assert [answer.status for answer in answers] == [503] * 6
    assert all("Retry-After" in answer.headers for answer in answers)
    assert found.status == 200
    assert cells.call(asked, f"/wait?id={unknown}").status == 404


def test_a_moved_id_whose_result_is_lost_is_found(cells: Cells) -> None:
    """Its new cell asks the former one for the id, which needs no result."""
    id = new_id(cells, "a")
    path, text = f"/begin?id={id}&function=foo", {"text": "x" * 40_000}
    begun = cells.call("a", path, "POST", text, {"Prefer": "wait=20"})
    with closing(sqlite3.connect(cells.stacks["a"].server.database)) as store, store:
        store.execute("DELETE FROM promises WHERE id LIKE ?", (f"={id}=%",))
    cells.change({number_of(id): {"cell": "b", "former": ["a"]}})

    polled = cells.call("b", f"/wait?id={id}")
    again = cells.call("b", path, "POST", text)

    assert begun.status == 200
    assert [(each.status, each.body["type"]) for each in (polled, again)] == [
        (500, "/problems/value-lost")
    ] * 2


def test_a_cell_that_is_former_no_more_is_not_asked(cells: Cells) -> None:
    """Where an id was found counts only as long as the map names that cell for it."""
    id = new_id(cells, "a")
    cells.begin("a", id)
    cells.change({number_of(id): {"cell": "b", "former": ["a"]}})
    found = cells.call("b", f"/wait?id={id}")
    cells.urls["c"] = "http://127.0.0.1:9"
    cells.put({number_of(id): {"cell": "b", "former": ["c"]}})
    wait_until(lambda: cells.in_force("b") == cells.generation, what="the map with c")

    later = cells.call("b", f"/wait?id={id}")
    del cells.urls["c"]
    cells.change({number_of(id): {"cell": "b", "former": ["a"]}})

    assert found.status == 200
    assert later.status == 503
    assert "c" in later.body["detail"].split()


@pytest.fixture(name="giving")
def _giving(cells: Cells) -> Iterator[None]:
    """Close all hash slots of a."""
    before = dict(cells.slots)
    owned = {number: slot for number, slot in before.items() if slot["cell"] == "a"}
    cells.change({number: {**slot, "closed": True} for number, slot in owned.items()})
    yield
    cells.change(before)


@pytest.mark.usefixtures("giving")
def test_a_cell_that_takes_none_has_another_one_begin_what_has_no_id(cells: Cells) -> None:
    """A balancer may send such a begin to any cell; what is wrong with it is said as ever."""
    begun = [begin_any(cells, "a") for _ in range(4)]
    waited = cells.call("a", "/begin?function=foo", "POST", {}, {"Prefer": "wait=20"})
    unknown = cells.call("a", "/begin?function=unknown", "POST", {})

    assert [stored(cells, id) for id in begun] == [["b"]] * 4
    assert (waited.status, waited.body["created"], waited.body["done"]) == (200, True, True)
    assert (unknown.status, unknown.body["type"]) == (404, "/problems/unknown-function")


@pytest.mark.usefixtures("giving")
def test_a_begin_without_an_id_that_got_lost_is_repeated_with_the_id(cells: Cells) -> None:
    """The 503 names it."""
    real, cells.urls["b"] = cells.urls["b"], "http://127.0.0.1:9"
    cells.put()
    wait_until(lambda: cells.in_force("a") == cells.generation, what="the map with a dead gateway")
    refused = cells.call("a", "/begin?function=foo", "POST", {})
    cells.urls["b"] = real
    cells.change({})
    id = refused.body["id"]

    begun = cells.begin("a", id)

    assert refused.status == 503
    assert begun.body["promise"] == id
    assert stored(cells, id) == ["b"]


def test_nothing_is_begun_while_a_former_cell_is_away(cells: Cells) -> None:
    """Whether that cell has the id cannot be asked: 503, which names it, and no cell stores it."""
    old, unknown, free = new_id(cells, "b"), new_id(cells, "b"), new_id(cells, "a")
    cells.begin("b", old)
    moved = {number_of(id): {"cell": "a", "former": ["b"]} for id in (old, unknown)}
    cells.change(moved)
    gateway = cells.stacks["b"].gateways["gateway"]
    gateway.kill()

    refused = [cells.begin("a", id) for id in (old, unknown)]
    polled = cells.call("a", f"/wait?id={old}")
    others = cells.begin("a", free)

    assert [each.status for each in (*refused, polled)] == [503] * 3
    assert all("b" in each.body["detail"].split() for each in refused)
    assert all("Retry-After" in each.headers for each in (*refused, polled))
    assert others.status == 202
    gateway.start()
    gateway.started("gateway started")
    wait_until(lambda: cells.in_force("b") == cells.generation, what="the gateway")
    assert [stored(cells, id) for id in (old, unknown)] == [["b"], []]
    assert cells.begin("a", old).body["created"] is False
    assert cells.begin("a", unknown).body["created"] is True


def test_two_clients_of_two_gateways_begin_an_id_once(cells: Cells) -> None:
    """Of many at the same time, of a moved hash slot too."""
    moved = [new_id(cells, "a") for _ in range(4)]
    cells.change({number_of(id): {"cell": "b", "former": ["a"]} for id in moved})
    ids = [*(new_id(cells, "a") for _ in range(4)), *moved]

    with ThreadPoolExecutor(8) as pool:
        asked = [(cell, id) for id in ids for cell in (*CELLS, *CELLS)]
        answers = list(pool.map(lambda each: (each[1], cells.begin(*each)), asked))

    assert {answer.status for _, answer in answers} <= {200, 202}
    created = [id for id, answer in answers if answer.body["created"]]
    assert sorted(created) == sorted(ids)
    assert [stored(cells, id) for id in ids] == [["a"]] * 4 + [["b"]] * 4


@pytest.fixture(name="stranger")
def _stranger(cells: Cells) -> Iterator[str]:
    """Let the map name a gateway of no cell as that of b, and yield its address."""
    url = cells.stacks["a"].add_gateway("stranger", GATEWAY_CELLS="", GATEWAY_CELL="")
    real, cells.urls["b"] = cells.urls["b"], url
    cells.put()
    wait_until(lambda: cells.in_force("a") == cells.generation, what="the wrong map")
    yield url
    cells.urls["b"] = real
    cells.change({})


@pytest.mark.usefixtures("stranger")
def test_a_gateway_of_no_cell_is_asked_for_nothing(cells: Cells) -> None:
    """A map may name another service's gateway, which then begins and answers nothing."""
    id = new_id(cells, "b")

    begun, polled = cells.begin("a", id), cells.call("a", f"/wait?id={id}")
    listed = cells.call("a", "/list?limit=1")
    own = call(f"{cells.urls['b']}/wait?id={id}")

    assert (begun.status, polled.status, listed.body["away"]) == (503, 503, ["b"])
    assert own.status == 404
    lines = cells.stacks["a"].gateways["gateway"].events("gateway is not of the cell")
    assert {line["gateway"] for line in lines} == {cells.urls["b"]}


def test_a_gateway_of_another_cell_is_asked_for_nothing(cells: Cells) -> None:
    """A map may mix two cells up: an answer counts as that of the cell that gives it."""
    answers = [
        cells.call("a", "/list?limit=1", headers={"X-Cell-Hop": hop})
        for hop in ("a/store", "b/store")
    ]

    assert [answer.status for answer in answers] == [200, 503]
    assert [answer.headers.get("X-Cell") for answer in answers] == ["a", "a"]
    assert "X-Cell" not in cells.call("a", f"/wait?id={new_id(cells, 'b')}").headers
