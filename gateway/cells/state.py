"""GET /cells: which slot map is in force here, for the program that moves hash slots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from gateway.api.keys import SCRAPES
from gateway.http.answers.responses import json_response

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp import web
    from prometheus_client.metrics_core import Metric

    from gateway.cells.own_ids import OwnIds

GENERATION: Final = "durable_http_gateway_slot_map_generation"
"""The gauge by which the processes of one gateway tell each other."""


class CellsBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The cell of this gateway, and the generation by which each of its processes works.

    It is 0 while one of them does not answer. `digest` is that of the map of this generation, and
    empty while a later one is about to be in force.
    """

    cell: str
    generation: int
    digest: str


@dataclass(frozen=True)
class State:
    """What this gateway knows of cells."""

    ids: OwnIds

    async def cells(self, request: web.Request) -> web.Response:
        """Answer the lowest generation of this gateway's processes."""
        others = await request.app[SCRAPES].others()
        generations = [self.ids.generation, *map(_generation, others)]
        generation, slots = min(generations), self.ids.slots
        digest = slots.digest if slots.generation == generation else ""
        body = CellsBody(cell=self.ids.name, generation=generation, digest=digest)
        return json_response(body)


def _generation(families: Iterable[Metric] | None) -> int:
    values = [
        sample.value
        for family in families or ()
        for sample in family.samples
        if sample.name == GENERATION
    ]
    return int(values[0]) if values else 0
