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
from tools.cells.slot_map import MapError, OtherMapError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gateway.cells.hash_slots import Slot, SlotMap


class Followers(Protocol):
    """What must know a new map."""

    def publish(self) -> None:
        """Bring the file to where gateways read it. Raises `MapError`."""

    def await_gateways(self, slots: SlotMap) -> None:
        """Return once all gateways of all cells say, at the same time, that this map is in force.

        Raises `OtherMapError` if one of them never will, and `MapError`.
        """

    def balance(self, slots: SlotMap) -> None:
        """Have HAProxy send requests to the owners by this map. Raises `MapError`."""


def move(path: Path, numbers: Sequence[int], to: str, followers: Followers) -> SlotMap:
    """Give hash slots to a cell; return the map after that. Raises `MapError`."""
    with slot_map.locked(path):
        before = slot_map.read(path)
        if to not in before.cells:
            raise MapError(f"there is no cell {to} but {', '.join(before.cells)}")
        # A run that was broken off may have written a map that was brought to no gateway.
        followers.publish()
        moved = {
            number: before.slots[number]
            for number in numbers
            if before.slots[number].cell != to or before.slots[number].closed
        }
        now = _close(path, before, moved, followers)
        if moved:
            now = _change(path, now, {n: given(slot, to) for n, slot in moved.items()})
        try:
            if moved:
                followers.publish()
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
    has_closed = not all(slot.closed for slot in moved.values())
    if has_closed:
        # A gateway that cannot be asked is found before any begin is refused for it.
        followers.await_gateways(before)
        now = _change(path, before, {n: replace(slot, closed=True) for n, slot in moved.items()})
    try:
        if has_closed:
            followers.publish()
        followers.await_gateways(now)
    except OtherMapError as error:
        # Its hash slots may have been given to others by that map.
        raise MapError(f"{error}. Nothing was moved, and these hash slots stay closed") from None
    except MapError as error:
        raise MapError(f"{error}. {_open_again(path, now, moved, followers)}") from None
    return now


def _open_again(path: Path, now: SlotMap, moved: Mapping[int, Slot], followers: Followers) -> str:
    """Have the owners take new ids as before; return what is in place then."""
    # Also those that an earlier move has left closed: nobody else has been given them.
    open_again = {number: replace(slot, closed=False) for number, slot in moved.items()}
    try:
        opened = _change(path, now, open_again)
    except MapError as error:
        return f"Nothing was moved, and these hash slots stay closed: {error}"
    words = (
        f"Nothing was moved; generation {opened.generation} has these hash slots where they were"
    )
    try:
        followers.publish()
    except MapError as error:
        return f"{words}, but {error}: the next run brings it to the gateways"
    return words


def _change(path: Path, last: SlotMap, changed: Mapping[int, Slot]) -> SlotMap:
    """Write the next generation, if the file has still the `last` one. Raises `MapError`."""
    if slot_map.read(path) != last:
        raise MapError(
            f"{path} is not as it was read or written here, in generation {last.generation}: it"
            " was changed by hand or by another program, and is left so"
        )
    now = slot_map.with_slots(last, changed)
    slot_map.write(path, slot_map.encoded(now))
    return now
