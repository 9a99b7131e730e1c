"""GET /list of two real cells: each execution once, whatever happens meanwhile."""

from __future__ import annotations

import base64
import itertools
import uuid
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from gateway.cells.hash_slots import number_of
from tests.support.cells import Cells, running_cells
from tests.support.filled_store import copy_execution
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NEGATIVE = base64.b64encode(b'[{"a":-1},null,null,""]').decode()
"""A cursor with a position that no row has."""

EACH = 500
"""Executions that each cell has from the start, besides the one of which they are copies."""


@pytest.fixture(name="cells", scope="module")
def _cells(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cells]:
    with running_cells(tmp_path_factory.mktemp("cells")) as cells:
        for cell, stack in cells.stacks.items():
            first = new_id(cells, cell)
            begun = cells.begin(cell, first, headers={"Prefer": "wait=20"})
            assert begun.status == 200, begun
            copy_execution(stack.server.database, first, f"old-{cell}-", EACH)
        yield cells


def new_id(cells: Cells, cell: str, prefix: str = "job") -> str:
    """Return an id of a cell that no test has used."""
    ids = (f"{prefix}-{uuid.uuid4().hex[:12]}" for _ in itertools.count())
    return next(id for id in ids if cells.slots[number_of(id)]["cell"] == cell)


def page(cells: Cells, cell: str, query: str = "", cursor: str | None = None) -> dict[str, Any]:
    """Return a page as a cell's gateway makes it."""
    after = "" if cursor is None else f"&cursor={cursor}"
    answer = cells.call(cell, f"/list?limit=70{query}{after}")
    assert answer.status == 200, answer
    body: dict[str, Any] = answer.body
    return body


def pages(
    cells: Cells, query: str = "", between: Callable[[int], None] = lambda _: None
) -> Iterator[dict[str, Any]]:
    """Yield the pages of the list, each of another cell's gateway than the one before."""
    cursor = None
    for number in range(60):
        between(number)
        found = page(cells, "ab"[number % 2], query, cursor)
        yield found
        cursor = found["next_cursor"]
        if cursor is None:
            return
    raise AssertionError("the list does not end")


def ids_of(found: list[dict[str, Any]]) -> list[str]:
    """Return the ids of all items of some pages."""
    return [item["id"] for each in found for item in each["items"]]


def made_ids(found: dict[str, Any]) -> list[str]:
    """Return the ids of a page that are no copies."""
    return [item["id"] for item in found["items"] if not item["id"].startswith("old-")]


def old_ids() -> set[str]:
    """Return the ids that are there from the start."""
    return {f"old-{cell}-{number}" for cell in "ab" for number in range(1, EACH + 1)}


def test_each_execution_is_listed_once_while_others_are_begun(cells: Cells) -> None:
    """Newest first, with its cell, whichever gateways make the pages."""

    def between(number: int) -> None:
        for cell in "ab":
            assert cells.begin(cell, new_id(cells, cell, f"new-{number}")).status == 202

    found = list(pages(cells, between=between))

    counted = Counter(ids_of(found))
    assert set(counted.values()) == {1}
    assert counted.keys() >= old_ids()
    items = [item for each in found for item in each["items"]]
    assert {(item["cell"], item["id"][4]) for item in items if item["id"] in old_ids()} == {
        ("a", "a"),
        ("b", "b"),
    }
    assert max(len(each["items"]) for each in found) == 70
    assert not any("away" in each for each in found)


def test_newer_ones_come_first(cells: Cells) -> None:
    """Of whichever cells they are."""
    begun = [new_id(cells, cell) for cell in "abbaab"]
    for id in begun:
        cells.begin("a", id)

    found = page(cells, "b")["items"]

    assert [item["id"] for item in found[:6]] == begun[::-1]
    assert [item["cell"] for item in found[:6]] == list("baabba")


def test_filters_are_for_all_cells(cells: Cells) -> None:
    """A prefix, a status and a function; a cursor belongs to its filters."""
    found = list(pages(cells, "&prefix=old-b-&status=resolved&function=foo"))
    other = cells.call("a", f"/list?limit=70&prefix=old-a-&cursor={found[0]['next_cursor']}")
    unknown = cells.call("a", "/list?function=unknown")

    assert Counter(ids_of(found)) == dict.fromkeys(
        (f"old-b-{number}" for number in range(1, EACH + 1)), 1
    )
    assert other.status == 400
    assert (unknown.status, unknown.body["type"]) == (404, "/problems/unknown-function")


def test_a_cursor_has_its_filters_once(cells: Cells) -> None:
    """However many cells there are; a URL may not be much longer than 8,000 characters."""
    prefix = "p" * 90
    ids = [new_id(cells, cell, prefix) for cell in "abababab"]
    for id in ids:
        assert cells.begin("a", id).status == 202
    found, cursors = [], [""]
    while cursors[-1] is not None:
        query = f"/list?limit=3&prefix={prefix}&function=foo&cursor={cursors[-1]}"
        made = cells.call("b", query.removesuffix("&cursor=")).body
        found.append(made)
        cursors.append(made["next_cursor"])

    assert Counter(ids_of(found)) == dict.fromkeys(ids, 1)
    assert len(found) > 2
    assert max(len(cursor) for cursor in cursors if cursor) < 4 / 3 * (len(prefix) + 70)


@pytest.mark.parametrize("cursor", ["x", "W10=", "WzFd", "", "WyJ4Iiwi", "bnVsbA==", NEGATIVE])
def test_a_bad_cursor_is_refused(cells: Cells, cursor: str) -> None:
    """What no gateway has made."""
    assert cells.call("a", f"/list?cursor={cursor}").status == 400


def test_a_cursor_of_one_cell_is_none_of_the_list(cells: Cells) -> None:
    """Only another gateway has it, of a page of one cell."""
    own = cells.call("a", "/list?limit=5", headers={"X-Cell-Hop": "a/store"}).body

    assert {cells.slots[number_of(id)]["cell"] for id in made_ids(own)} <= {"a"}
    assert cells.call("a", f"/list?cursor={own['next_cursor']}").status == 400


def test_head_has_no_body(cells: Cells) -> None:
    """As everywhere."""
    answer = cells.call("a", "/list", "HEAD")

    assert (answer.status, answer.body) == (200, None)


def test_a_cell_that_goes_and_comes_back_is_listed_as_a_whole(cells: Cells) -> None:
    """While it is away it is named, the other's executions are listed, and the list goes on."""
    gateway = cells.stacks["b"].gateways["gateway"]
    away: list[list[str]] = []
    found, cursor = [], None
    for number in range(60):
        if number == 2:
            gateway.kill()
        if number == 12:
            gateway.start()
            gateway.started("gateway started")
            wait_until(lambda: cells.in_force("b") == cells.generation, what="the gateway")
        made = page(cells, "a", "&prefix=old-", cursor)
        found.append(made)
        away.append(made.get("away", []))
        cursor = made["next_cursor"]
        if cursor is None:
            break

    assert away[:2] == [[], []]
    assert away[2:12] == [["b"]] * 10
    assert not any(away[12:])
    assert Counter(ids_of(found)) == dict.fromkeys(old_ids(), 1)
    assert found[11]["items"] == []


def test_a_cell_may_come_and_go_while_a_client_pages(cells: Cells) -> None:
    """One that is new in the map is listed from its start, one that is gone no more."""
    all_of_a = {number: {"cell": "a"} for number in range(64)}
    before = dict(cells.slots)
    lost = cells.urls.pop("b")
    cells.put(all_of_a)
    wait_until(lambda: cells.in_force("a") == cells.generation, what="the map without b")
    alone = page(cells, "a", "&prefix=old-")
    cells.urls["b"] = lost
    cells.change(before)

    after = list(_on(cells, alone["next_cursor"]))

    assert {item["cell"] for item in alone["items"]} == {"a"}
    assert Counter(ids_of([alone, *after])) == dict.fromkeys(old_ids(), 1)
    cells.urls.pop("b")
    cells.put(all_of_a)
    wait_until(lambda: cells.in_force("a") == cells.generation, what="the map without b")
    rest = page(cells, "a", "&prefix=old-", after[0]["next_cursor"])
    cells.urls["b"] = lost
    cells.change(before)
    assert {item["cell"] for item in rest["items"]} == {"a"}


def _on(cells: Cells, cursor: str | None) -> Iterator[dict[str, Any]]:
    while cursor is not None:
        found = page(cells, "a", "&prefix=old-", cursor)
        yield found
        cursor = found["next_cursor"]
