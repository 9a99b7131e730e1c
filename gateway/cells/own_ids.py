"""Which new ids this cell takes, and when a new slot map is in force.

A hash slot is moved in two steps: first its cell takes no new ids of it, then another cell does. So
the first step must be over in every gateway before the second one is taken. It is over here once no
call is under way any more that may store an id which was let in before.

A gateway that is started with an older file would take ids that another cell has now. So the cell's
store keeps the maps that were ever worked by, and no id is new by a map that it has not accepted.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final, Protocol

import uuid_utils
from cachetools import LRUCache

from gateway.cells.under_way import Server, UnderWay
from gateway.concurrency.tasks import TaskSet
from gateway.errors import BackendUnavailable, ServiceError
from gateway.model.new_ids import NewIds
from shared.log import get_logger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from gateway.cells.hash_slots import Slot, SlotMap

MOST_TRIES: Final = 4096
"""Ids that are made until one is of an own hash slot: with one of 64, all miss once in 10^27."""

START_SECONDS: Final = 2.0
"""Seconds that a gateway's start waits for the store's word on its map, at most."""

AGAIN_SECONDS: Final = 1.0
"""Seconds until a store that has not answered is asked again."""

MOST_CLEARED: Final = 100_000
"""Ids that no former cell has, as far as these were asked; forgotten ones are asked for again."""

UNCHECKED: Final = "The store has not said yet whether this gateway's slot map is its latest one"


class Store(Server, Protocol):
    """The cell's server, and what its store knows of maps."""

    async def keep_slot_map(self, cell: str, generation: int, digest: str) -> str | None:
        """Have the store keep a map; return None if it is the latest one, else why not.

        Raises `ServiceError`.
        """


class OwnIds(NewIds):
    """The new ids of cell `name`."""

    def __init__(self, name: str, slots: SlotMap, store: Store) -> None:
        self.name = name
        self.slots = slots
        self.generation = 0
        """The generation by which all calls to the server are made; `slots` may be a later one.

        It is 0 until the calls of a process that ran before this one cannot store anything more,
        and while `slots` is not the store's latest map.
        """
        self.is_refused = False
        """Whether the store has a later map than `slots`, or another one of this generation."""

        self._store = store
        self._accepted: SlotMap | None = None
        """The map that the store has accepted last, unless it has refused one since."""

        self._checked = asyncio.Event()
        self._number = 0  # of the map, since the start: a generation may come twice
        self._under_way = UnderWay(store)
        self._cleared: LRUCache[str, int] = LRUCache(MOST_CLEARED)
        self._tasks = TaskSet()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Bring maps into force until the block ends, which begins once the first is checked.

        It does not wait long for a server that is away.
        """
        async with self._tasks.running(self._bring_into_force(self.slots, self._number)):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(START_SECONDS):
                    await self._checked.wait()
            yield

    @property
    def fault(self) -> str | None:
        return "slot map: it is old, and no new ids are taken" if self.is_refused else None

    @property
    def is_checked(self) -> bool:
        """Whether the store has accepted a map, and has refused none since."""
        return self._accepted is not None

    def change(self, slots: SlotMap) -> None:
        """Let in new ids by a later map, or one that takes the place of a refused one.

        From now on none is let in that is not new by both maps; until the store has accepted the
        later one, none of the hash slots that it changes.
        """
        self.slots = slots
        self._number += 1
        self._tasks.start(self._bring_into_force(slots, self._number))

    def make(self) -> str:
        for _ in range(0 if self._accepted is None else MOST_TRIES):
            id = str(uuid_utils.uuid7())
            if self._closed(self.slots.slot_of(id), id) is None:
                self.clear(id)
                return id
        if self._accepted is None:
            raise BackendUnavailable(self._unaccepted())
        raise BackendUnavailable(f"Cell {self.name} takes no new ids for the moment.")

    def clear(self, id: str) -> None:
        """Note that no former cell has this id, by the map of now."""
        if self.slots.slot_of(id).former:
            self._cleared[id] = self._number

    @contextlib.contextmanager
    def storing(self, id: str) -> Iterator[str | None]:
        refusal = self._refusal(id)
        if refusal is not None:
            yield refusal
            return
        with self._under_way.counted(self._number):
            yield None

    def _refusal(self, id: str) -> str | None:
        """Return why an id may not be new here, None if it may."""
        slot = self.slots.slot_of(id)
        closed = self._closed(slot, id)
        if closed is not None:
            return closed
        # A map that came after the former cells were asked may name others.
        if slot.former and self._cleared.get(id) != self._number:
            return "New ids like this one have just been moved; repeat the request."
        return None

    def _closed(self, slot: Slot, id: str) -> str | None:
        """Return why no id of a hash slot may be new here, None if one may."""
        if slot.cell != self.name:
            return f"New ids like this one are of cell {slot.cell}; repeat the request."
        if slot.closed:
            return f"New ids like this one are being moved from cell {slot.cell}; repeat later."
        if self._accepted is not self.slots and (
            self._accepted is None or self._accepted.slot_of(id) != slot
        ):
            return self._unaccepted()
        return None

    def _unaccepted(self) -> str:
        if self.is_refused:
            return f"This gateway of cell {self.name} has an old slot map; ask another one."
        return f"{UNCHECKED}; repeat the request."

    async def _bring_into_force(self, slots: SlotMap, number: int) -> None:
        """Have the store check a map, unless a later one comes, and wait until it is in force."""
        if not await self._is_accepted(slots, number):
            return
        await self._under_way.ended(number)
        if number == self._number:
            self.generation = slots.generation
            get_logger().info("slot map in force", generation=slots.generation)

    async def _is_accepted(self, slots: SlotMap, number: int) -> bool:
        """Ask the store until it answers; return whether this map is its latest one."""
        reason: str | None = UNCHECKED
        while number == self._number:
            with contextlib.suppress(ServiceError):
                reason = await self._store.keep_slot_map(self.name, slots.generation, slots.digest)
                break
            await asyncio.sleep(AGAIN_SECONDS)
        if number != self._number:
            return False
        self._checked.set()
        self.is_refused = reason is not None
        self._accepted = None if self.is_refused else slots
        if self.is_refused:
            self.generation = 0
            get_logger().error(
                "slot map is not the latest, no new ids taken",
                reason=reason,
                generation=slots.generation,
            )
        return not self.is_refused
