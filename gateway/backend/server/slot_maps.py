"""By which slot maps the gateways of a cell have worked, as their store remembers it.

Before a gateway lets in a new id by a map it stores a promise that stands for the map's generation.
So one that is started with an older file, which could begin ids that another cell has now, sees it:

1. Gateways of cell a work by generation 3, and each has stored the record of 3, or found it.
2. One of them is started again with the file of generation 1. It finds 3, and takes no new id.

Records are never removed. They are pending, so that what deletes ended promises leaves them alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from shared.ids import SLOT_MAPS, generation_of, slot_map_id
from shared.resonate.large_values import NEVER
from shared.resonate.store import Store
from shared.resonate.transport import PROMISE_EXISTS, Refused

if TYPE_CHECKING:
    from gateway.backend.ask import Ask
    from shared.resonate.transport import Transport


class SlotMaps:
    """The records of one store."""

    def __init__(self, transport: Transport, ask: Ask) -> None:
        self._promises = Store(transport).promises
        self._ask = ask

    async def keep(self, cell: str, generation: int, digest: str) -> str | None:
        """Store that a cell's gateway works by this map.

        Returns None if the map is the latest one of the store, else why it is not. Raises
        `BackendUnavailable`.
        """
        return await self._ask(self._keep, cell, generation, digest)

    def _keep(self, cell: str, generation: int, digest: str) -> str | None:
        if not self._store(cell, generation, digest):
            return f"the store knows another map of generation {generation}, or another cell's"
        # Only now, so that of two gateways with two maps one at least sees the other's record.
        latest = self._latest()
        return f"the store knows generation {latest}" if latest > generation else None

    def _store(self, cell: str, generation: int, digest: str) -> bool:
        """Store a record; return False if there is one of this generation that differs."""
        try:
            self._promises.create(
                slot_map_id(generation),
                NEVER,
                ikey=f"{cell}-{digest}",
                data=orjson.dumps({"cell": cell, "digest": digest}).decode(),
            )
        except Refused as refusal:
            if refusal.code != PROMISE_EXISTS:
                raise
            return False
        return True

    def _latest(self) -> int:
        # A gateway that was late may have stored an older one last: the highest of a page counts.
        found, _ = self._promises.search(SLOT_MAPS, {})
        return max((generation_of(promise.id) for promise in found), default=0)
