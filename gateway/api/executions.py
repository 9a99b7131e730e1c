"""Executions: POST /begin, GET /wait, GET /result, POST /cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson
import uuid_utils
from aiohttp import web

from gateway.api.inputs import id_of, query_of, read_input, read_json, required_id, seconds_of
from gateway.api.parameters import preferred_wait, wanted_wait
from gateway.errors import (
    BackendUnavailable,
    ExecutionCanceled,
    ExecutionRejected,
    ExecutionTimedOut,
    InvalidInput,
    InvalidRequest,
    TooManyRequests,
    UnknownExecution,
    UnknownFunction,
)
from gateway.keys import BACKEND, BEGINS, CALLBACKS, EXECUTION_ID, LAST_END, TRACE, WATCHERS
from gateway.model import representation as views
from gateway.model.execution import NewExecution
from shared.catalog import CATALOG, DEFAULT_FUNCTION, Function

if TYPE_CHECKING:
    from gateway.model.execution import Execution

DAY: Final = 24 * 60 * 60
DEFAULT_TIMEOUT: Final = DAY
LONGEST_TIMEOUT: Final = 365 * DAY
LONGEST_DELAY: Final = 30 * DAY
LONGEST_REASON: Final = 1024
FAILED: Final = {
    "rejected": ExecutionRejected,
    "canceled": ExecutionCanceled,
    "timedout": ExecutionTimedOut,
}
INCLUDES: Final = frozenset({"input", "steps"})


async def begin(request: web.Request) -> web.Response:
    """Start a durable execution, or find the one that this id already stands for."""
    with request.app[BEGINS].one():
        execution, created = await _begun(request)
    headers = {"Location": f"/wait?id={execution.id}"}
    if not created:
        headers["Idempotent-Replayed"] = "true"
    seconds = preferred_wait(request)
    if seconds and not execution.done:
        execution, seconds = await _outcome_within(request, execution, seconds)
    if seconds is not None:
        headers["Preference-Applied"] = f"wait={seconds}"
    return views.json_response(
        views.begun(execution, created=created),
        status=200 if execution.done else 202,
        headers={**headers, **views.freshness(execution), "Cache-Control": "no-store"},
    )


async def _callback(request: web.Request, id: str, url: str | None) -> str | None:
    """Return the callback if it can be used; that of a replay counts for nothing, so may be bad."""
    if url is None:
        return None
    try:
        await request.app[CALLBACKS].check(url)
    except InvalidInput:
        try:
            await request.app[BACKEND].glance(id)
        except UnknownExecution:
            pass
        else:
            return None
        raise
    return url


async def _begun(request: web.Request) -> tuple[Execution, bool]:
    """Return the stored execution, and whether this request created it."""
    query = query_of(request, "id", "function", "timeout", "delay", "callback")
    id = id_of(request, query) or str(uuid_utils.uuid7())
    request[EXECUTION_ID] = id
    function = _function(query.get("function", DEFAULT_FUNCTION))
    timeout, delay = DEFAULT_TIMEOUT, 0
    if "timeout" in query:
        timeout = seconds_of("timeout", query["timeout"], least=1, most=LONGEST_TIMEOUT)
    if "delay" in query:
        delay = seconds_of("delay", query["delay"], least=0, most=LONGEST_DELAY)
    given = await read_input(request, function)
    trace = request.get(TRACE)
    try:
        new = NewExecution(
            id,
            function.name,
            function.version,
            given.json,
            given.fingerprint,
            timeout,
            delay,
            trace_id=trace.trace_id if trace else None,
            callback=await _callback(request, id, query.get("callback")),
        )
        return await request.app[BACKEND].begin(new)
    except BackendUnavailable as error:
        error.id = id
        raise


async def _outcome_within(
    request: web.Request, execution: Execution, seconds: int
) -> tuple[Execution, int]:
    """Wait for the end, and tell how many seconds that was done for, 0 if it could not be.

    What is stored is stored, so trouble in waiting is no failure of /begin.
    """
    try:
        return await request.app[WATCHERS].wait(execution.id, seconds), seconds
    except (BackendUnavailable, TooManyRequests):
        return execution, 0


async def wait(request: web.Request) -> web.Response:
    """Tell the state of an execution, with its result or error once it has ended."""
    query = query_of(request, "id", "include", "wait", "raise")
    id = required_id(query)
    include = frozenset(filter(None, query.get("include", "").split(",")))
    if not include <= INCLUDES:
        raise InvalidRequest(f"include takes {', '.join(sorted(INCLUDES))}, comma-separated")
    if query.get("raise", "0") not in {"0", "1"}:
        raise InvalidRequest("raise must be 0 or 1")
    seconds, headers = wanted_wait(request, query.get("wait"))
    execution = await _read(request, id, seconds, with_steps="steps" in include)
    if query.get("raise") == "1":
        _raise_unless_well(execution)
    if execution.done and not include:
        body = request.app[LAST_END].body(execution)
    else:
        body = views.Body.of(views.state(execution, include))
    return views.tagged(request, body, {**headers, **views.freshness(execution)})


async def _read(request: web.Request, id: str, seconds: int, *, with_steps: bool) -> Execution:
    """Return the execution, after waiting for its end if the client wants to."""
    watchers = request.app[WATCHERS]
    execution = await (watchers.wait(id, seconds) if seconds else watchers.read(id))
    return await request.app[BACKEND].read(id, with_steps=True) if with_steps else execution


async def result(request: web.Request) -> web.Response:
    """Give the bare result; a failure is a problem, nothing yet an empty 202."""
    execution = await request.app[WATCHERS].read(required_id(query_of(request, "id")))
    _raise_unless_well(execution)
    if not execution.done:
        return web.Response(status=202, headers=views.freshness(execution))
    body = views.Body.of(orjson.Fragment(execution.result_json or "null"))
    return views.tagged(request, body, views.freshness(execution))


async def cancel(request: web.Request) -> web.Response:
    """End an execution; its running step may still finish, no further one starts."""
    id = required_id(query_of(request, "id"))
    reason = _reason(await read_json(request))
    execution = await request.app[BACKEND].cancel(id, reason)
    return views.json_response(
        views.state(execution, frozenset()), headers={"Cache-Control": "no-store"}
    )


def _reason(body: Any) -> str | None:
    match body:
        case None:
            return None
        case {"reason": str(reason), **others} if not others and len(reason) <= LONGEST_REASON:
            return reason
        case _:
            raise InvalidRequest(
                f'the body is {{"reason": "…"}} with at most {LONGEST_REASON} characters, or empty'
            )


def _raise_unless_well(execution: Execution) -> None:
    failed = FAILED.get(execution.status)
    if failed is not None:
        raise failed(
            f"it ended {execution.status}; /wait?id={execution.id} says more", id=execution.id
        )


def _function(name: str) -> Function:
    try:
        return CATALOG[name]
    except KeyError:
        raise UnknownFunction(f"known functions: {', '.join(CATALOG)}") from None


ROUTES = (
    web.post("/begin", begin),
    web.get("/wait", wait),
    web.get("/result", result),
    web.post("/cancel", cancel),
)
