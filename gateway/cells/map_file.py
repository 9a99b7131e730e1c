"""The slot map that is in force, and the file from which a new one comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.cells.hash_slots import MAX_BYTES, SlotMap, SlotMapError
from gateway.concurrency.watch import Watch
from gateway.watched_file import Unreadable, WatchedFile
from shared.log import get_logger

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.cells.own_ids import OwnIds


class MapFault(Exception):
    """The map cannot be used; the message begins with the setting at fault."""


class MapFile:
    """The file with the slot map of all cells, as cell `name` uses it."""

    def __init__(self, path: Path, name: str) -> None:
        self._file = WatchedFile(path, MAX_BYTES)
        self._name = name

    def read(self) -> SlotMap:
        """Return the map. Raises `MapFault`."""
        try:
            return self._parsed(self._file.read())
        except Unreadable as error:
            raise self._fault(str(error)) from error

    def read_if_changed(self) -> SlotMap | None:
        """Return the map, or None if the file is as it was when it was last read.

        Raises `MapFault`, for the same content only once.
        """
        try:
            content = self._file.read_if_changed()
        except Unreadable as error:
            raise self._fault(str(error)) from error
        return None if content is None else self._parsed(content)

    def _parsed(self, content: bytes) -> SlotMap:
        if len(content) > MAX_BYTES:
            raise self._fault(f"it has more than {MAX_BYTES} bytes")
        try:
            slots = SlotMap.parse(content)
        except SlotMapError as error:
            raise self._fault(str(error)) from error
        if self._name not in slots.cells:
            raise MapFault(f"GATEWAY_CELL: {self._file.path} has no cell {self._name!r}")
        return slots

    def _fault(self, what: str) -> MapFault:
        return MapFault(f"GATEWAY_CELLS: {self._file.path}: {what}")


class MapWatch(Watch):
    """Looks at the file every second, and at once when it is told to.

    `ids` are told of a good map of a later generation. Any other one is logged, and nothing
    changes: a map that goes back could let two cells take new ids of one hash slot. If the store
    has refused the map, another one of this generation may take its place.
    """

    def __init__(self, file: MapFile, ids: OwnIds) -> None:
        super().__init__("slot map")
        self._file = file
        self._ids = ids
        self._passed_over: SlotMap | None = None

    async def _look(self, *, told: bool) -> None:
        log = get_logger()
        # What was looked at before the store refused the map counts after it.
        anew = told or self._ids.is_refused
        read = self._file.read if anew else self._file.read_if_changed
        try:
            found = await self._executor.run(read)
        except MapFault as error:
            log.error("slot map not changed", reason=str(error))  # noqa: TRY400 - the reason says all
            return
        except Exception:
            log.exception("slot map not changed")
            return
        current, is_refused = self._ids.slots, self._ids.is_refused
        if found is None or (found == current and not (told and is_refused)):
            return
        if found.generation < current.generation + (not is_refused):
            if found == self._passed_over and not told:
                return
            self._passed_over = found
            reason = f"generation {current.generation} is in force"
            log.error("slot map not changed", reason=reason, generation=found.generation)
            return
        self._ids.change(found)
        log.info("slot map changed", generation=found.generation)
