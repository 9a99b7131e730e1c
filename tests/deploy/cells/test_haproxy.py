"""HAProxy, with the configuration made from a map, sends requests to the cell of their id."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from gateway.cells.hash_slots import Slot, SlotMap
from tests.support.cell.balancer import Balancer, running_balancer
from tests.support.cell.guards import needs_haproxy
from tests.support.cell.played_gateways import DEGRADED, OK, PlayedGateway, played_gateways
from tests.support.processes import ROOT, call, wait_until
from tools.cells import slot_map
from tools.cells.haproxy import configuration, slots_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.processes import Answer

EXAMPLES: Final = ROOT / "deploy" / "cells"
ODD: Final = ("a", "-", "_", "0", "-_-", "A" * 128, "order_4711", "0123-4567-89ab", "~", "a.1", "é")
"""Ids, and others that gateways refuse, of a client that hopes to reach another cell."""

IDS: Final = (*ODD, *(f"job-{number}" for number in range(40)))


def cell_of(id: str) -> str:
    """Return the cell of an id: every other hash slot is of the other one."""
    return "ab"[zlib.crc32(id.encode()) % 64 % 2]


class Cells(NamedTuple):
    """HAProxy, and one gateway of each cell, of which `new` owns no hash slot."""

    balancer: Balancer
    gateways: dict[str, PlayedGateway]
    slots: SlotMap

    def begin(self, query: str = "", **headers: str) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return call(f"{self.balancer.url}/begin{query}", "POST", {}, headers=sent)


@pytest.fixture(name="cells", scope="module")
def _cells(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cells]:
    with played_gateways("a", "b", "new") as gateways:
        urls = {cell: (gateway.url,) for cell, gateway in gateways.items()}
        slots = SlotMap(1, urls, tuple(Slot("ab"[number % 2]) for number in range(64)))
        with running_balancer(tmp_path_factory.mktemp("cells"), slots) as balancer:
            yield Cells(balancer, gateways, slots)


def encoded(id: str) -> str:
    """Return an id of which each byte is percent-encoded, some in capitals."""
    return "".join(f"%{byte:02{'xX'[byte % 2]}}" for byte in id.encode())


def test_the_examples_are_those_of_the_map() -> None:
    """The committed configuration is what the tool makes of the committed map."""
    slots = slot_map.read(EXAMPLES / "cells.json")

    assert (EXAMPLES / "haproxy.cfg").read_text() == configuration(slots)
    assert (EXAMPLES / "slots.map").read_text() == slots_file(slots)
    assert (EXAMPLES / "cells.json").read_bytes() == slot_map.encoded(slots)


def test_the_page_has_the_example() -> None:
    """The map that docs/cells.md shows is the committed one."""
    page = (ROOT / "docs" / "cells.md").read_text()
    shown = page.partition("```json\n")[2].partition("```")[0]

    assert shown == (EXAMPLES / "cells.json").read_text()


@needs_haproxy
@pytest.mark.parametrize("way", ["plain", "encoded", "later", "bare key", "quoted key", "both"])
def test_the_hash_slot_of_the_id_has_the_cell(cells: Cells, way: str) -> None:
    """Each id, however it is sent, reaches the cell that owns `zlib.crc32(id) % 64`."""

    def sent(id: str) -> Answer:
        match way:
            case "plain":
                return cells.begin(f"?id={id}")
            case "encoded":
                return cells.begin(f"?id={encoded(id)}")
            case "later":
                return cells.begin(f"?function=foo&id={id}&timeout=1h")
            case "bare key":
                return cells.begin(Idempotency_Key=id)
            case "quoted key":
                return cells.begin("?function=foo", Idempotency_Key=f'"{id}"')
            case _:
                return cells.begin(f"?id={id}", Idempotency_Key="a key of a signal")

    ids = [id for id in IDS if id.isascii() or way == "encoded"]
    assert {id: sent(id).body["cell"] for id in ids} == {id: cell_of(id) for id in ids}


@needs_haproxy
def test_requests_without_an_id_are_spread(cells: Cells) -> None:
    """Each cell that owns hash slots gets some; an empty key is an id, which a gateway refuses."""
    assert {cells.begin().body["cell"] for _ in range(20)} == {"a", "b"}
    assert cells.begin(Idempotency_Key='""').body["cell"] == cell_of("")


@needs_haproxy
def test_a_client_cannot_say_that_it_is_a_gateway(cells: Cells) -> None:
    """The header by which gateways know each other's requests does not pass."""
    assert cells.begin("?id=a", X_Cell_Hop="b").body["hop"] is None


@needs_haproxy
def test_a_gateway_without_its_server_gets_no_new_ids(cells: Cells) -> None:
    """It gets the requests of its own hash slots, and all others only if all are so."""
    balancer, gateways = cells.balancer, cells.gateways
    own, other = (next(id for id in IDS if cell_of(id) == cell) for cell in "ab")
    gateways["a"].ready = DEGRADED
    wait_until(lambda: balancer.passes_to("any-with-server") == {"b-1"}, what="the other cell")

    assert {cells.begin().body["cell"] for _ in range(10)} == {"b"}
    assert cells.begin(f"?id={own}").body["cell"] == "a"
    gateways["b"].ready = DEGRADED
    wait_until(lambda: not balancer.passes_to("any-with-server"), what="no cell")
    assert {cells.begin().status for _ in range(10)} == {200}
    assert cells.begin(f"?id={other}").body["cell"] == "b"

    gateways["a"].ready = gateways["b"].ready = OK
    wait_until(lambda: len(balancer.passes_to("any-with-server")) == 2, what="both cells")


@needs_haproxy
def test_a_move_changes_the_cell_of_a_hash_slot(cells: Cells) -> None:
    """HAProxy follows without a reload, and its files too; a cell's first hash slot opens it."""
    id = next(id for id in IDS if cell_of(id) == "a")
    number = zlib.crc32(id.encode()) % 64
    assert cells.begin(f"?id={id}").body["cell"] == "a"

    moved = slot_map.with_slots(cells.slots, {number: Slot("new", ("a",))})
    cells.balancer.followers.balance(moved)

    assert cells.begin(f"?id={id}").body["cell"] == "new"
    assert f"{number} new" in cells.balancer.slots.read_text().splitlines()
    assert cells.balancer.configuration.read_text() == configuration(moved)
    assert {cells.begin().body["cell"] for _ in range(20)} == {"a", "b", "new"}
    others = [other for other in IDS if other != id and other.isascii()]
    assert all(cells.begin(f"?id={other}").body["cell"] == cell_of(other) for other in others)
    cells.balancer.followers.balance(cells.slots)
    assert cells.balancer.configuration.read_text() == configuration(cells.slots)
    assert {cells.begin().body["cell"] for _ in range(20)} == {"a", "b"}


@needs_haproxy
def test_no_other_cell_answers_for_one_without_gateways(cells: Cells) -> None:
    """Its ids are a 503 that names it; other ids, and requests without one, go on."""
    cells.gateways["b"].end()
    wait_until(lambda: not cells.balancer.passes_to("cell-b"), what="the end")

    for id in filter(str.isascii, IDS):
        answer = cells.begin(f"?id={id}")
        if cell_of(id) == "a":
            assert answer.body["cell"] == "a"
            continue
        headers = {name.lower(): value for name, value in answer.headers.items()}
        assert (answer.status, headers["retry-after"]) == (503, "1")
        assert headers["content-type"] == "application/problem+json"
        assert answer.body["type"] == "/problems/backend-unavailable"
        assert "cell b " in answer.body["detail"]
    assert {cells.begin().body["cell"] for _ in range(10)} == {"a"}
