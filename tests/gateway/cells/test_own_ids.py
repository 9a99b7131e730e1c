"""Which new ids a cell takes, and from when on a map is said to be in force."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Final

import pytest

from gateway.cells import own_ids
from gateway.cells.hash_slots import SLOTS, Slot, SlotMap, number_of
from gateway.cells.own_ids import OwnIds
from gateway.errors import BackendUnavailable
from tests.support.gateway.client import until

if TYPE_CHECKING:
    from collections.abc import Mapping

CELLS: Final = {"a": ("http://a:1",), "b": ("http://b:1",)}
ID: Final = "job-1"


class Server:
    """Answers pings, unless it is frozen."""

    def __init__(self) -> None:
        self.frozen = False
        self.pings = 0

    async def ping(self) -> None:
        self.pings += 1
        if self.frozen:
            raise BackendUnavailable("frozen")


def slot_map(generation: int, changed: Mapping[int, Slot] | None = None) -> SlotMap:
    """Return a map in which `a` has each hash slot that is not given."""
    slots = (changed or {}).get
    return SlotMap(generation, CELLS, tuple(slots(n) or Slot("a") for n in range(SLOTS)))


CLOSED: Final = {number_of(ID): Slot("a", closed=True)}
MOVED: Final = {number_of(ID): Slot("b", ("a",))}


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_ids, "SETTLED_SECONDS", 0.02)
    monkeypatch.setattr(own_ids, "LATE_SECONDS", 0.1)
    monkeypatch.setattr(own_ids, "PAUSE_SECONDS", 0.005)


async def turns(count: int = 20) -> None:
    """Let what is due run for a while."""
    for _ in range(count):
        await asyncio.sleep(0.005)


def test_made_ids_are_of_open_hash_slots_of_this_cell() -> None:
    """Whatever small share of the hash slots is open here."""
    others = {number: Slot("b") for number in range(SLOTS)}
    slots = slot_map(1, {**others, 5: Slot("a"), 6: Slot("a", closed=True)})
    ids = OwnIds("a", slots, Server().ping)

    made = [ids.make() for _ in range(50)]

    assert {number_of(id) for id in made} == {5}
    assert len(set(made)) == 50


def test_without_an_open_hash_slot_no_id_is_made() -> None:
    """The client is told to repeat the request, and the answer names the cell."""
    ids = OwnIds("c", slot_map(1), Server().ping)

    with pytest.raises(BackendUnavailable, match="Cell c"):
        ids.make()


def test_only_open_ids_of_this_cell_are_new() -> None:
    """An id that a former cell may have is new once that cell was asked by the same map."""
    former = {number_of(ID): Slot("a", ("b",))}
    ids = OwnIds("a", slot_map(1), Server().ping)
    refusals = []
    for slots in (slot_map(1), slot_map(2, CLOSED), slot_map(3, MOVED), slot_map(4, former)):
        ids.slots = slots
        with ids.storing(ID) as refusal:
            refusals.append(refusal)
    ids.clear(ID)
    with ids.storing(ID) as cleared:
        pass
    ids.slots = slot_map(5, former)
    with ids.storing(ID) as of_a_later_map:
        pass

    assert [refusal is None for refusal in refusals] == [True, False, False, False]
    assert cleared is None
    assert of_a_later_map is not None


async def test_a_map_is_in_force_when_the_begins_of_before_have_ended() -> None:
    """Not earlier, however long one takes; begins by the new map do not count."""
    ids = OwnIds("a", slot_map(1), Server().ping)
    async with ids.running():
        await until(lambda: ids.generation == 1)
        with ids.storing(ID):
            ids.change(slot_map(2, CLOSED))
            with ids.storing("job-2"):
                await turns()
            assert ids.generation == 1
        with ids.storing("job-2"):
            await until(lambda: ids.generation == 2)


@pytest.mark.parametrize("is_under_way", [True, False])
async def test_a_begin_that_failed_may_still_be_stored(*, is_under_way: bool) -> None:
    """A frozen server may carry it out when it goes on, so the map waits for its answer."""
    server = Server()
    ids = OwnIds("a", slot_map(1), server.ping)
    async with ids.running():
        await until(lambda: ids.generation == 1)
        server.frozen = True
        with pytest.raises(BackendUnavailable), ids.storing(ID):
            raise BackendUnavailable("no answer")
        if not is_under_way:
            await turns(40)
        pings = server.pings
        ids.change(slot_map(2, CLOSED))
        await until(lambda: server.pings > pings + 3)
        assert ids.generation == 1
        server.frozen = False
        await until(lambda: ids.generation == 2)


async def test_a_new_process_waits_for_the_calls_of_the_one_before() -> None:
    """That one may have been killed with a begin on its way to a server that is frozen."""
    server = Server()
    server.frozen = True
    ids = OwnIds("a", slot_map(7), server.ping)
    async with ids.running():
        await until(lambda: server.pings > 2)
        assert ids.generation == 0
        server.frozen = False
        await until(lambda: ids.generation == 7)


async def test_maps_in_a_row_are_in_force_one_after_the_other() -> None:
    """The generation never goes back."""
    ids = OwnIds("a", slot_map(1), Server().ping)
    seen = [0]
    async with ids.running():
        for number in itertools.count(2):
            ids.change(slot_map(number))
            if number == 9:
                break
        while ids.generation < 9:
            seen.append(ids.generation)
            await asyncio.sleep(0)
    assert seen == sorted(seen)


async def test_what_was_cleared_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """An id that is forgotten is asked for again."""
    monkeypatch.setattr(own_ids, "MOST_CLEARED", 2)
    former = {number: Slot("a", ("b",)) for number in range(SLOTS)}
    ids = OwnIds("a", slot_map(1, former), Server().ping)
    for id in ("x", "y", "z"):
        ids.clear(id)
    found = []
    for id in ("x", "y", "z"):
        with ids.storing(id) as refusal:
            found.append(refusal is None)
    assert found == [False, True, True]
