"""Moves hash slots from cell to cell while clients go on, in two generations of the map.

1. Their owner takes no new ids of them. Each gateway of each cell says that it knows, and that
   no begin is under way which it had let in before.
2. The new owner takes new ids, and passes requests about old ones on to the former owner.

So no two cells ever take new ids of one hash slot. A move that was broken off goes on when it is
asked for again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from tools.cells import slot_map
from tools.cells.slot_map import MapError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gateway.cells.hash_slots import Slot, SlotMap


class Followers(Protocol):
    """What must know a new map."""

    def publish(self) -> None:
        """Bring the file to where gateways read it. Raises `MapError`."""

    def await_gateways(self, slots: SlotMap) -> None:
        """Return once each gateway of each cell says this generation. Raises `MapError`."""

    def balance(self, slots: SlotMap) -> None:
        """Have HAProxy send requests to the owners by this map. Raises `MapError`."""


def move(path: Path, numbers: Sequence[int], to: str, followers: Followers) -> SlotMap:
    """Give hash slots to a cell; return the map after that. Raises `MapError`."""
    with slot_map.locked(path):
        before = slot_map.read(path)
        if to not in before.cells:
            raise MapError(f"there is no cell {to} but {', '.join(before.cells)}")
        moved = {
            number: before.slots[number]
            for number in numbers
            if before.slots[number].cell != to or before.slots[number].closed
        }
        now = _close(path, before, moved, followers)
        if moved:
            now = slot_map.with_slots(now, {n: given(slot, to) for n, slot in moved.items()})
            slot_map.write(path, slot_map.encoded(now))
            followers.publish()
        try:
            followers.await_gateways(now)
        except MapError as error:
            raise MapError(
                f"{error}. Generation {now.generation} is in place; gateways that do not know it"
                " refuse new ids of these hash slots: run the same command again"
            ) from None
        followers.balance(now)
        return now


def given(slot: Slot, to: str) -> Slot:
    """Return the hash slot as another cell's, or open if it is that cell's already."""
    if slot.cell == to:
        return replace(slot, closed=False)
    older = (name for name in slot.former if name != to)
    return replace(slot, cell=to, former=(slot.cell, *older), closed=False)


def _close(path: Path, before: SlotMap, moved: Mapping[int, Slot], followers: Followers) -> SlotMap:
    """Have the owners take no new ids; open them again if a gateway cannot be asked."""
    if not moved:
        return before
    now = before
    if not all(slot.closed for slot in moved.values()):
        # A gateway that cannot be asked is found before any begin is refused for it.
        followers.await_gateways(before)
        closed = {n: replace(slot, closed=True) for n, slot in moved.items()}
        now = slot_map.with_slots(before, closed)
        slot_map.write(path, slot_map.encoded(now))
    try:
        followers.publish()
        followers.await_gateways(now)
    except MapError as error:
        # Also those that an earlier move has left closed: nobody else has been given them.
        open_again = {n: replace(slot, closed=False) for n, slot in moved.items()}
        opened = slot_map.with_slots(now, open_again)
        slot_map.write(path, slot_map.encoded(opened))
        followers.publish()
        raise MapError(
            f"{error}. Nothing was moved; generation {opened.generation} has these hash slots where"
            " they were"
        ) from None
    return now
