"""Which new ids this cell takes, and when a new slot map is in force.

A hash slot is moved in two steps: first its cell takes no new ids of it, then another cell does. So
the first step must be over in every gateway before the second one is taken. It is over here once no
call is under way any more that may store an id which was let in before.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from typing import TYPE_CHECKING, Final

import uuid_utils
from cachetools import LRUCache

from gateway.concurrency.tasks import TaskSet
from gateway.errors import BackendUnavailable, ServiceError
from gateway.model.new_ids import NewIds
from shared.log import get_logger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from gateway.cells.hash_slots import SlotMap

MOST_TRIES: Final = 4096
"""Ids that are made until one is of an own hash slot: with one of 64, all miss once in 10^27."""

LATE_SECONDS: Final = 10.0
"""Seconds for which a call that has failed may still store something: longer than all its tries."""

SETTLED_SECONDS: Final = 1.0
"""Seconds for the server to finish what came to it before it answered a later question."""

PAUSE_SECONDS: Final = 0.05
MOST_CLEARED: Final = 100_000
"""Ids that no former cell has, as far as these were asked; forgotten ones are asked for again."""


class OwnIds(NewIds):
    """The new ids of cell `name`. `ping` returns once the server has answered."""

    def __init__(self, name: str, slots: SlotMap, ping: Callable[[], Awaitable[None]]) -> None:
        self.name = name
        self.slots = slots
        self.generation = 0
        """The generation by which all calls to the server are made; `slots` may be a later one.

        It is 0 until the calls of a process that ran before this one cannot store anything more.
        """
        self._ping = ping
        self._failures = 1  # of the process before, which may have been killed during a call
        self._settled = 0
        self._settling = asyncio.Lock()
        self._under_way: Counter[int] = Counter()
        self._cleared: LRUCache[str, int] = LRUCache(MOST_CLEARED)
        self._tasks = TaskSet()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Bring maps into force until the block ends."""
        async with self._tasks.running(self._bring_into_force(self.slots)):
            yield

    def change(self, slots: SlotMap) -> None:
        """Let in new ids by a later map from now on."""
        self.slots = slots
        self._tasks.start(self._bring_into_force(slots))

    def make(self) -> str:
        for _ in range(MOST_TRIES):
            id = str(uuid_utils.uuid7())
            if self._is_open(id):
                self.clear(id)
                return id
        raise BackendUnavailable(f"Cell {self.name} takes no new ids for the moment.")

    def clear(self, id: str) -> None:
        """Note that no former cell has this id, by the map of now."""
        if self.slots.slot_of(id).former:
            self._cleared[id] = self.slots.generation

    @contextlib.contextmanager
    def storing(self, id: str) -> Iterator[str | None]:
        refusal = self._refusal(id)
        if refusal is not None:
            yield refusal
            return
        generation = self.slots.generation
        self._under_way[generation] += 1
        try:
            yield None
        except BaseException:
            # Its call may go on in a thread, or at the server.
            self._failures += 1
            asyncio.get_running_loop().call_later(LATE_SECONDS, self._leave, generation)
            raise
        self._leave(generation)

    def _is_open(self, id: str) -> bool:
        slot = self.slots.slot_of(id)
        return slot.cell == self.name and not slot.closed

    def _refusal(self, id: str) -> str | None:
        """Return why an id may not be new here, None if it may."""
        slot = self.slots.slot_of(id)
        if slot.cell != self.name:
            return f"New ids like this one are of cell {slot.cell}; repeat the request."
        if slot.closed:
            return f"New ids like this one are being moved from cell {slot.cell}; repeat later."
        # A map that came after the former cells were asked may name others.
        if slot.former and self._cleared.get(id) != self.slots.generation:
            return "New ids like this one have just been moved; repeat the request."
        return None

    def _leave(self, generation: int) -> None:
        self._under_way[generation] -= 1
        if not self._under_way[generation]:
            del self._under_way[generation]

    async def _bring_into_force(self, slots: SlotMap) -> None:
        while min(self._under_way, default=slots.generation) < slots.generation:  # noqa: ASYNC110 - rare
            await asyncio.sleep(PAUSE_SECONDS)
        await self._settle(self._failures)
        if slots.generation > self.generation:
            self.generation = slots.generation
            get_logger().info("slot map in force", generation=slots.generation)

    async def _settle(self, failures: int) -> None:
        """Return once the server has done, or never will, what the first failed calls wanted.

        A server that was frozen carries out what lies in its connections when it goes on, long
        after the calls have failed.
        """
        async with self._settling:
            while self._settled < failures:
                seen = self._failures
                has_answered = await self._answers()
                await asyncio.sleep(SETTLED_SECONDS)
                if has_answered:
                    self._settled = seen

    async def _answers(self) -> bool:
        try:
            await self._ping()
        except ServiceError:
            return False
        return True
