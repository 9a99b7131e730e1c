"""Which cell answers a request about an id."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from aiohttp import web
from cachetools import LRUCache

from gateway.api.parameters import id_of
from gateway.cells.forwarding import BEGIN, asking_headers, pass_on
from gateway.cells.gateways import OWNER, STORE, Hop
from gateway.errors import BackendUnavailable, InvalidRequest, UnknownExecution
from gateway.http.keys import LOGGED_ID
from gateway.http.routing import path_of_route
from shared.ids import is_execution_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from aiohttp.typedefs import Handler

    from gateway.backend.client import Backend
    from gateway.cells.hash_slots import SlotMap
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
        if id is None or (hop is not None and hop.role == STORE):
            return await handler(request)
        request[LOGGED_ID] = id
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
        if hop.cell != self.ids.name or hop.role not in {OWNER, STORE}:
            raise BackendUnavailable(f"This gateway is of cell {self.ids.name}.")
        return hop

    async def _answer_own(
        self, handler: Handler, request: web.Request, id: str
    ) -> web.StreamResponse:
        """Answer about an id of an own hash slot, which a former cell may have."""
        slots = self.ids.slots
        if not slots.slot_of(id).former:
            return await handler(request)
        cell = self.known.get(id) or await self._find(slots, id, asking_headers(request))
        if cell is not None:
            self.known[id] = cell
        elif self.ids.slots is slots:  # else those of the new map are asked when it is repeated
            self.ids.clear(id)
        if cell is None or cell == self.ids.name:
            return await handler(request)
        return await pass_on(request, self.peers, slots, Hop(cell, STORE))

    async def _find(self, slots: SlotMap, id: str, headers: Mapping[str, str]) -> str | None:
        """Return the cell in which an id of an own hash slot is stored, None if it is in none."""
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
