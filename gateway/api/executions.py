"""Executions that exist: GET /wait, GET /result, POST /cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from gateway.api.keys import BACKEND, INPUTS, LONG_POLLS, READER, STATE_CONTENTS, WORKERS
from gateway.api.parameters import requested_wait, required_id
from gateway.api.responses import caching_headers, content_of, raise_if_failed, state_content
from gateway.errors import InvalidRequest
from gateway.http.answers.responses import NO_STORE, content_response, tagged_response
from gateway.http.query import query_of
from gateway.model.representation import json_of
from shared.resonate.codec import REASON_LIMIT

if TYPE_CHECKING:
    from gateway.model.execution import Execution
    from gateway.presence.workers import Workers

INCLUDES: Final = frozenset({"input", "steps"})


class CancelBody(Struct, forbid_unknown_fields=True):
    """The body of a request to /cancel."""

    reason: Annotated[str, Meta(max_length=REASON_LIMIT)]


async def wait(request: web.Request) -> web.Response:
    """Answer the state of an execution, at once or as soon as it has ended."""
    query = query_of(request, "id", "include", "wait", "raise")
    id = required_id(query)
    include = frozenset(filter(None, query.get("include", "").split(",")))
    if not include <= INCLUDES:
        raise InvalidRequest(f"include takes {', '.join(sorted(INCLUDES))}, comma-separated.")
    if query.get("raise", "0") not in {"0", "1"}:
        raise InvalidRequest("raise must be 0 or 1.")
    seconds, headers = requested_wait(request, query.get("wait"))
    execution = await _read(request, id, seconds, with_steps="steps" in include)
    if query.get("raise") == "1":
        raise_if_failed(execution)
    backend = request.app[BACKEND]
    now = backend.clock.time()
    because = None
    if execution.phase(now) == "queued":
        because = why_queued(request.app[WORKERS], execution)
    if include or because:
        content = state_content(backend, execution, now, include, because)
    else:
        content = request.app[STATE_CONTENTS].of(execution)
    return await tagged_response(request, content, {**headers, **caching_headers(execution)})


async def _read(request: web.Request, id: str, seconds: int, *, with_steps: bool) -> Execution:
    """Return the execution, after waiting for its end for this many seconds."""
    if seconds:
        execution = await request.app[LONG_POLLS].wait(id, seconds)
        if not with_steps:
            return execution
    reader = request.app[READER]
    return await (reader.read_with_steps(id) if with_steps else reader.read(id))


def why_queued(workers: Workers, execution: Execution) -> str | None:
    """Return why no worker runs an execution that could run, if workers have told of a reason.

    Where no worker has told anything, nothing is known.
    """
    function, version = execution.function, execution.version
    if not workers or version is None:
        return None
    serving = [worker for worker in workers if version in worker.hello.serves.get(function, ())]
    if not serving:
        return f"no worker serves {function} {version}"
    if all(len(worker.claims) >= worker.hello.slots for worker in serving):
        return f"all workers that serve {function} {version} are busy"
    return None


async def result(request: web.Request) -> web.Response:
    """Answer the bare result; a failure is a problem, no result yet an empty 202."""
    execution = await request.app[READER].read(required_id(query_of(request, "id")))
    raise_if_failed(execution)
    if not execution.done:
        return web.Response(status=202, headers=caching_headers(execution))
    content = content_of(request.app[BACKEND], execution, _bare_result)
    return await tagged_response(request, content, caching_headers(execution))


def _bare_result(execution: Execution) -> bytes:
    return bytes(json_of("null" if execution.result is None else execution.result))


async def cancel(request: web.Request) -> web.Response:
    """End an execution; its running step may still finish, no further step starts."""
    id = required_id(query_of(request, "id"))
    reason = _reason(await request.app[INPUTS].read_json(request))
    backend = request.app[BACKEND]
    try:
        execution = await backend.cancel(id, reason)
    finally:
        request.app[READER].note_change(id)  # also where it is known only now that it has ended
    content = state_content(backend, execution, backend.clock.time())
    return await content_response(request, content, NO_STORE)


def _reason(body: Any) -> str | None:
    if body is None:
        return None
    try:
        return msgspec.convert(body, CancelBody).reason
    except msgspec.ValidationError:
        raise InvalidRequest(
            f'The body must be empty or {{"reason": "…"}} of at most {REASON_LIMIT} characters.'
        ) from None


ROUTES = (web.get("/wait", wait), web.get("/result", result), web.post("/cancel", cancel))
