"""GET /workers: who runs executions, as far as this gateway is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from aiohttp import web
from msgspec import Meta, Struct

from gateway.api.keys import WORKERS
from gateway.http.answers.responses import json_response
from gateway.model.representation import rfc3339

if TYPE_CHECKING:
    from gateway.presence.workers import Worker


class WorkerBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One worker."""

    name: str
    group: str
    started_at: str
    slots: Annotated[int, Meta(ge=1)]
    busy: Annotated[int, Meta(ge=0)]
    offers: Annotated[int, Meta(ge=0)]
    silent: bool
    functions: dict[str, list[int]]


class WorkersBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The workers that have a connection to this gateway."""

    workers: list[WorkerBody]


async def workers(request: web.Request) -> web.Response:
    """Answer the workers that have a connection to this gateway, by their names."""
    known = request.app[WORKERS]
    found = sorted(known, key=lambda worker: (worker.name, worker.hello.started_at))
    return json_response(WorkersBody(workers=list(map(_body, found))))


def _body(worker: Worker) -> WorkerBody:
    hello = worker.hello
    return WorkerBody(
        name=hello.worker,
        group=hello.group,
        started_at=rfc3339(hello.started_at),
        slots=hello.slots,
        busy=len(worker.claims),
        offers=len(worker.offers),
        silent=worker.is_silent(),
        functions=hello.serves,
    )


ROUTES = (web.get("/workers", workers),)
