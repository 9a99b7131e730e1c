"""Which new ids a cell takes, and from when on a map is said to be in force."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Final

import pytest

from gateway.cells import own_ids, under_way
from gateway.cells.hash_slots import SLOTS, Slot, SlotMap, number_of
from gateway.cells.own_ids import OwnIds
from gateway.errors import BackendUnavailable
from tests.support.gateway.client import until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from structlog.typing import EventDict

CELLS: Final = {"a": ("http://a:1",), "b": ("http://b:1",)}
ID: Final = "job-1"


class Server:
    """Answers pings, and accepts maps as its store does, unless it is frozen.

    `calls_end` is unset while threads make calls whose callers have given up.
    """

    def __init__(self) -> None:
        self.frozen = False
        self.pongs = True
        self.pings = 0
        self.asked = 0
        self.kept: dict[int, str] = {}
        self.calls_end = asyncio.Event()
        self.calls_end.set()

    async def ping(self) -> None:
        self.pings += 1
        if self.frozen or not self.pongs:
            raise BackendUnavailable("frozen")

    async def given_up_ended(self) -> None:
        await self.calls_end.wait()

    async def keep_slot_map(self, cell: str, generation: int, digest: str) -> str | None:
        self.asked += 1
        await asyncio.sleep(0)
        if self.frozen:
            raise BackendUnavailable("frozen")
        if self.kept.setdefault(generation, cell + digest) != cell + digest:
            return "another map"
        return "a later one" if max(self.kept) > generation else None


def slot_map(generation: int, changed: Mapping[int, Slot] | None = None) -> SlotMap:
    """Return a map in which `a` has each hash slot that is not given."""
    slots = (changed or {}).get
    return SlotMap(generation, CELLS, tuple(slots(n) or Slot("a") for n in range(SLOTS)))


CLOSED: Final = {number_of(ID): Slot("a", closed=True)}
MOVED: Final = {number_of(ID): Slot("b", ("a",))}


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_way, "SETTLED_SECONDS", 0.02)
    monkeypatch.setattr(under_way, "PAUSE_SECONDS", 0.005)
    monkeypatch.setattr(own_ids, "AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(own_ids, "START_SECONDS", 0.05)


async def turns(count: int = 20) -> None:
    """Let what is due run for a while."""
    for _ in range(count):
        await asyncio.sleep(0.005)


async def follow(ids: OwnIds, slots: SlotMap) -> None:
    """Give a map to a cell, and wait until it is in force."""
    ids.change(slots)
    await until(lambda: ids.generation == slots.generation)


async def test_made_ids_are_of_open_hash_slots_of_this_cell() -> None:
    """Whatever small share of the hash slots is open here."""
    others = {number: Slot("b") for number in range(SLOTS)}
    slots = slot_map(1, {**others, 5: Slot("a"), 6: Slot("a", closed=True)})
    ids = OwnIds("a", slots, Server())

    async with ids.running():
        made = [ids.make() for _ in range(50)]

    assert {number_of(id) for id in made} == {5}
    assert len(set(made)) == 50


async def test_without_an_open_hash_slot_no_id_is_made() -> None:
    """The client is told to repeat the request, and the answer names the cell."""
    ids = OwnIds("c", slot_map(1), Server())

    async with ids.running():
        with pytest.raises(BackendUnavailable, match="Cell c"):
            ids.make()


async def test_only_open_ids_of_this_cell_are_new() -> None:
    """An id that a former cell may have is new once that cell was asked by the same map."""
    former = {number_of(ID): Slot("a", ("b",))}
    ids = OwnIds("a", slot_map(1), Server())
    refusals = []
    async with ids.running():
        for slots in (slot_map(2), slot_map(3, CLOSED), slot_map(4, MOVED), slot_map(5, former)):
            await follow(ids, slots)
            with ids.storing(ID) as refusal:
                refusals.append(refusal)
        ids.clear(ID)
        with ids.storing(ID) as cleared:
            pass
        await follow(ids, slot_map(6, former))
        with ids.storing(ID) as of_a_later_map:
            pass

    assert [refusal is None for refusal in refusals] == [True, False, False, False]
    assert cleared is None
    assert of_a_later_map is not None


async def test_without_the_word_of_the_store_no_id_is_new() -> None:
    """Neither made here nor a client's; ids that are stored are nobody's concern here."""
    server = Server()
    server.frozen = True
    ids = OwnIds("a", slot_map(1), server)
    async with ids.running():
        with ids.storing(ID) as refusal:
            pass
        with pytest.raises(BackendUnavailable, match="has not said yet"):
            ids.make()
        server.frozen = False
        await until(lambda: ids.generation == 1)
        with ids.storing(ids.make()) as later:
            pass

    assert refusal is not None
    assert later is None


async def test_a_new_map_stops_only_the_hash_slots_that_it_changes() -> None:
    """Until the store has accepted it all others are as before: open, or not."""
    server, change = Server(), {number_of(ID): Slot("a", ("b",))}
    other, closed = (f"x-{n}" for n in range(2))
    assert len({number_of(id) for id in (ID, other, closed)}) == 3
    before = {number_of(closed): Slot("a", closed=True), number_of(ID): Slot("b", ("a",))}
    ids = OwnIds("a", slot_map(1, before), server)
    refusals = {}
    async with ids.running():
        await until(lambda: ids.generation == 1)
        server.frozen = True
        ids.change(slot_map(2, change))
        ids.clear(ID)
        await until(lambda: server.asked > 2)
        assert ids.generation == 1
        for id in (ID, other, closed):
            with ids.storing(id) as refusals[id]:
                pass
        made = {number_of(ids.make()) for _ in range(500)}
        server.frozen = False
        await until(lambda: ids.generation == 2)
        for id in (ID, closed):
            with ids.storing(id) as refusal:
                assert refusal is None

    assert [id for id, refusal in refusals.items() if refusal is None] == [other]
    assert made.isdisjoint({number_of(ID), number_of(closed)})


@pytest.mark.parametrize("later", [slot_map(3), slot_map(2, CLOSED)])
async def test_a_map_that_is_not_the_latest_lets_in_nothing(
    later: SlotMap, log: list[EventDict]
) -> None:
    """Until one comes that is: a later one, or that of the store, if the generation is the same."""
    server = Server()
    await server.keep_slot_map("a", later.generation, later.digest)
    ids = OwnIds("a", slot_map(2), server)
    async with ids.running():
        with ids.storing("x-0") as refusal:
            pass
        with pytest.raises(BackendUnavailable, match="an old slot map"):
            ids.make()
        await turns()
        assert (ids.generation, ids.is_refused) == (0, True)
        await follow(ids, later)
        with ids.storing("x-0") as mended:
            pass

    assert refusal is not None
    assert mended is None
    assert not ids.is_refused
    (said,) = [event for event in log if event["log_level"] == "error"]
    assert said["event"] == "slot map is not the latest, no new ids taken"
    assert said["generation"] == 2


async def test_a_map_that_is_refused_later_ends_what_was_accepted() -> None:
    """This gateway's file is another than that of the others: what it had may be old as well."""
    server = Server()
    ids = OwnIds("a", slot_map(1), server)
    async with ids.running():
        await until(lambda: ids.generation == 1)
        await server.keep_slot_map("a", 2, slot_map(2, CLOSED).digest)
        ids.change(slot_map(2))
        await until(lambda: ids.is_refused)
        with ids.storing("x-0") as refusal:
            pass
        assert ids.generation == 0
        ids.change(slot_map(3))
        with ids.storing("x-0") as unchecked:
            pass
        await until(lambda: ids.generation == 3)

    assert None not in {refusal, unchecked}


async def test_a_map_is_in_force_when_the_begins_of_before_have_ended() -> None:
    """Not earlier, however long one takes; begins by the new map do not count."""
    ids = OwnIds("a", slot_map(1), Server())
    async with ids.running():
        await until(lambda: ids.generation == 1)
        with ids.storing(ID) as first:
            ids.change(slot_map(2, CLOSED))
            with ids.storing("job-2") as second:
                await turns()
            assert ids.generation == 1
        with ids.storing("job-2") as third:
            await until(lambda: ids.generation == 2)
    assert (first, second, third) == (None, None, None)


async def test_a_begin_that_failed_may_still_be_stored() -> None:
    """A frozen server may carry it out when it goes on, so the map waits for its answer."""
    server = Server()
    ids = OwnIds("a", slot_map(1), server)
    async with ids.running():
        await until(lambda: ids.generation == 1)
        with pytest.raises(BackendUnavailable), ids.storing(ID):
            raise BackendUnavailable("no answer")
        server.pongs = False
        pings = server.pings
        ids.change(slot_map(2, CLOSED))
        await until(lambda: server.pings > pings + 3)
        assert ids.generation == 1
        server.pongs = True
        await until(lambda: ids.generation == 2)


async def test_a_begin_whose_client_got_no_answer_may_go_on_in_a_thread() -> None:
    """For as long as it takes, the map is not in force, and the server is not even asked."""
    server = Server()
    ids = OwnIds("a", slot_map(1), server)
    async with ids.running():
        await until(lambda: ids.generation == 1)
        server.calls_end.clear()
        with pytest.raises(BackendUnavailable), ids.storing(ID):
            raise BackendUnavailable("too long")
        pings = server.pings
        ids.change(slot_map(2, CLOSED))
        await until(lambda: 2 in server.kept)
        await turns()
        assert (ids.generation, server.pings) == (1, pings)
        server.calls_end.set()
        await until(lambda: ids.generation == 2)


async def test_a_new_process_waits_for_the_calls_of_the_one_before() -> None:
    """That one may have been killed with a begin on its way to a server that is frozen."""
    server = Server()
    server.pongs = False
    ids = OwnIds("a", slot_map(7), server)
    async with ids.running():
        await until(lambda: server.pings > 2)
        assert ids.generation == 0
        server.pongs = True
        await until(lambda: ids.generation == 7)


async def test_maps_in_a_row_are_in_force_one_after_the_other() -> None:
    """The generation never goes back."""
    ids = OwnIds("a", slot_map(1), Server())
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
    ids = OwnIds("a", slot_map(1, former), Server())
    found = []
    async with ids.running():
        for id in ("x", "y", "z"):
            ids.clear(id)
        for id in ("x", "y", "z"):
            with ids.storing(id) as refusal:
                found.append(refusal is None)
    assert found == [False, True, True]
