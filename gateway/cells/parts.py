"""Puts the parts of cells together."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from aiohttp import web

from gateway.cells.listing import Lists
from gateway.cells.map_file import MapFile, MapWatch
from gateway.cells.own_ids import OwnIds
from gateway.cells.peers import Peers
from gateway.cells.routing import Router
from gateway.cells.state import GENERATION, State

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from gateway.backend.client import Backend
    from gateway.cells.hash_slots import SlotMap
    from gateway.metrics.counts import GatewayMetrics
    from gateway.settings import CellsSettings


@dataclass(frozen=True)
class Cells:
    """What a gateway has where there are several cells."""

    ids: OwnIds
    watch: MapWatch
    peers: Peers
    router: Router

    @classmethod
    def of(
        cls, settings: CellsSettings, slots: SlotMap, backend: Backend, metrics: GatewayMetrics
    ) -> Self:
        """Return the parts for a map, whose file is read again when it has changed."""
        ids = OwnIds(settings.name, slots, backend)
        file = MapFile(settings.path, settings.name)
        peers = Peers(metrics.forwarded)
        metrics.add_cells(cell for cell in slots.cells if cell != settings.name)
        metrics.meter.read_gauge(
            GENERATION,
            "Generation of the slot map by which this gateway works.",
            lambda: ids.generation,
        )
        return cls(ids, MapWatch(file, ids), peers, Router.of(ids, peers, backend))

    def routes(
        self, about_ids: Iterable[web.RouteDef], lists: Iterable[web.RouteDef]
    ) -> Iterator[web.RouteDef]:
        """Yield the routes of one cell as those of all cells; `lists` are replaced."""
        yield from self.router.routed(about_ids)
        for route in lists:
            handler = Lists(self.router, self.peers).listing
            yield web.RouteDef(route.method, route.path, handler, route.kwargs)
        yield web.get("/cells", State(self.ids).cells)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow the file until the block ends. It has to last for as long as begins come."""
        async with self.ids.running(), self.watch.running():
            yield
