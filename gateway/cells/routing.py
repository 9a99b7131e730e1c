"""Which cell answers a request about an id."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import uuid_utils
from aiohttp import web
from cachetools import LRUCache

from gateway.api.parameters import id_of
from gateway.cells.forwarding import BEGIN, asking_headers, pass_on
from gateway.cells.gateways import HAS, OWNER, STORE, Hop
from gateway.errors import BackendUnavailable, InvalidRequest, UnknownExecution
from gateway.http.keys import LOGGED_ID
from gateway.http.routing import path_of_route
from shared.ids import is_execution_id

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping

    from aiohttp.typedefs import Handler

    from gateway.backend.client import Backend
    from gateway.cells.hash_slots import Slot, SlotMap
    from gateway.cells.own_ids import OwnIds
    from gateway.cells.peers import Peers

MOST_KNOWN: Final = 100_000
"""Ids of which it is known in which cell they are stored; there they stay."""


@dataclass(frozen=True)
class Router:
    """Has each request about an id answered by the cell that has the id, or would have it.

    A hash slot's cell answers, or a former one, if the id is stored there. Nothing is guessed:
    where a cell that may have the id cannot be asked, the answer is a 503.
    """

    ids: OwnIds
    peers: Peers
    backend: Backend
    known: LRUCache[str, str]

    @classmethod
    def of(cls, ids: OwnIds, peers: Peers, backend: Backend) -> Router:
        return cls(ids, peers, backend, LRUCache(MOST_KNOWN))

    def routed(self, routes: Iterable[web.RouteDef]) -> Iterator[web.RouteDef]:
        """Yield routes about an id, each with a handler that has the right cell answer."""
        for route in routes:
            handler = partial(self._answer, route.handler)
            yield web.RouteDef(route.method, route.path, handler, route.kwargs)

    async def _answer(self, handler: Handler, request: web.Request) -> web.StreamResponse:
        id = _id_of(request)
        hop = self.hop_of(request)
        if id is None and hop is None and _wants_new_id(request):
            return await self._begin_new(handler, request)
        if id is None or (hop is not None and hop.role == STORE):
            return await handler(request)
        request[LOGGED_ID] = id
        if hop is not None and hop.role == HAS:
            await self.backend.read_root(id)  # reads no result, which may be large, or lost
            return web.Response(status=204)
        owner = self.ids.slots.slot_of(id).cell
        if owner == self.ids.name:
            return await self._answer_own(handler, request, id)
        if hop is None:
            return await pass_on(request, self.peers, self.ids.slots, Hop(owner, OWNER))
        raise BackendUnavailable("The slot maps of two cells differ; repeat the request.")

    def hop_of(self, request: web.Request) -> Hop | None:
        """Return how another cell's gateway wants an answer, None for a client's request.

        Raises `BackendUnavailable` if it means another cell than this.
        """
        hop = Hop.of(request)
        if hop is None:
            return None
        if hop.cell != self.ids.name or hop.role not in {OWNER, STORE, HAS}:
            raise BackendUnavailable(f"This gateway is of cell {self.ids.name}.")
        return hop

    async def _begin_new(self, handler: Handler, request: web.Request) -> web.StreamResponse:
        """Begin an execution without an id here, or in another cell if this one takes none."""
        slots = self.ids.slots
        takers = {slot.cell for slot in slots.slots if not slot.closed}
        if self.ids.name in takers or not takers:
            return await handler(request)
        living = {cell for cell in takers if not self.peers.have_failed(slots, cell)}
        id = _new_id(slots, living or takers)
        request[LOGGED_ID] = id
        hop = Hop(slots.slot_of(id).cell, OWNER)
        try:
            return await pass_on(request, self.peers, slots, hop, id)
        except BackendUnavailable as error:
            error.id = id  # the client repeats the request with it
            raise

    async def _answer_own(
        self, handler: Handler, request: web.Request, id: str
    ) -> web.StreamResponse:
        """Answer about an id of an own hash slot, which a former cell may have."""
        slots = self.ids.slots
        slot = slots.slot_of(id)
        if slot.former:
            cell = await self._cell_of(slots, slot, id, asking_headers(request))
            if cell not in {None, self.ids.name}:
                return await pass_on(request, self.peers, slots, Hop(cell, STORE))
        try:
            return await handler(request)
        except UnknownExecution as unknown:
            # While a hash slot moves, or by an old map, another cell may have begun the id already.
            is_settled = not slot.closed and self.ids.slots.slot_of(id) == slot
            if is_settled and self.ids.is_checked:
                raise
            raise BackendUnavailable(
                f"Ids like this one are being moved from cell {slot.cell}; repeat the request."
            ) from unknown

    async def _cell_of(
        self, slots: SlotMap, slot: Slot, id: str, headers: Mapping[str, str]
    ) -> str | None:
        """Return the cell in which an id of an own hash slot is stored, None if it is in none."""
        known = self.known.get(id)
        if known == self.ids.name or known in slot.former:
            return known
        cell = await self._find(slots, id, headers)
        if cell is not None:
            self.known[id] = cell
        elif self.ids.slots is slots:  # else those of the new map are asked when it is repeated
            self.ids.clear(id)
        return cell

    async def _find(self, slots: SlotMap, id: str, headers: Mapping[str, str]) -> str | None:
        """Ask this cell and the former ones, one after the other, which has the id."""
        try:
            await self.backend.read_root(id)
        except UnknownExecution:
            pass
        else:
            return self.ids.name
        for cell in slots.slot_of(id).former:
            if await self.peers.has(slots, cell, id, headers):
                return cell
        return None


def _wants_new_id(request: web.Request) -> bool:
    named = "id" in request.query or "Idempotency-Key" in request.headers
    return path_of_route(request) == BEGIN and not named


def _new_id(slots: SlotMap, cells: Container[str]) -> str:
    """Return a new id of an open hash slot of some of these cells, which have one."""
    while True:
        id = str(uuid_utils.uuid7())
        slot = slots.slot_of(id)
        if slot.cell in cells and not slot.closed:
            return id


def _id_of(request: web.Request) -> str | None:
    """Return the id that a request is about, None without one.

    One that its route refuses has none either. The header `Idempotency-Key` is an id at /begin.
    """
    ids = request.query.getall("id", [])
    if ids:
        return ids[0] if len(ids) == 1 and is_execution_id(ids[0]) else None
    if path_of_route(request) != BEGIN:
        return None
    try:
        return id_of(request, {})
    except InvalidRequest:
        return None
