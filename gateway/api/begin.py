"""POST /begin: starts a durable execution, or finds the one that the id already stands for."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final

import msgspec
import uuid_utils
from aiohttp import web

from gateway.api.keys import (
    BACKEND,
    BEGIN_LIMITER,
    CALLBACK_CHECKER,
    CATALOG,
    INPUTS,
    LONG_POLLS,
    METRICS,
    NEW_IDS,
    READER,
)
from gateway.api.parameters import (
    function_of,
    id_of,
    known_functions,
    preferred_wait,
    seconds_of,
)
from gateway.api.responses import caching_headers, content_of
from gateway.errors import (
    BackendUnavailable,
    InvalidInput,
    InvalidRequest,
    ServiceError,
    TooManyRequests,
    UnknownExecution,
    UnknownFunction,
)
from gateway.http.answers.responses import NO_STORE, content_response
from gateway.http.keys import BODY_SHARE, LOGGED_ID, REQUEST_ID, TRACE
from gateway.http.query import query_of
from gateway.model.execution import NewExecution
from gateway.model.representation import begun_body
from shared.catalog import LONGEST_TIMEOUT, Function
from shared.resonate.causes import NO_CAUSE, Cause

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.inputs.reading import Input
    from gateway.model.execution import Execution

DAY: Final = 24 * 60 * 60
DEFAULT_TIMEOUT: Final = DAY
LONGEST_DELAY: Final = 30 * DAY


async def begin(request: web.Request) -> web.Response:
    """Start an execution and answer as soon as it is stored."""
    execution, created = await _counted(request)
    request.app[READER].note_begun(execution)
    request[BODY_SHARE].resize(0)  # it is stored, and this request may wait for long
    headers = {"Location": f"/wait?id={execution.id}"}
    if not created:
        headers["Idempotent-Replayed"] = "true"
    seconds = preferred_wait(request)
    if seconds and not execution.done:
        execution, seconds = await _wait(request, execution, seconds)
    if seconds is not None:
        headers["Preference-Applied"] = f"wait={seconds}"

    def begun(execution: Execution) -> bytes:
        return msgspec.json.encode(begun_body(execution, created=created))

    try:
        return await content_response(
            request,
            content_of(request.app[BACKEND], execution, begun),
            {**headers, **caching_headers(execution), **NO_STORE},
            status=200 if execution.done else 202,
        )
    except ServiceError as error:
        error.id = execution.id  # the client repeats the request with it
        raise


async def _counted(request: web.Request) -> tuple[Execution, bool]:
    """Do what `_begin` does, within the limit of begins, and count its outcome."""
    metrics, began = request.app[METRICS], time.perf_counter()
    try:
        with request.app[BEGIN_LIMITER].place():
            execution, created = await _begin(request)
    except BaseException as error:
        metrics.begin_failed(error)
        raise
    metrics.begun(time.perf_counter() - began, created=created)
    return execution, created


async def _begin(request: web.Request) -> tuple[Execution, bool]:
    """Return the stored execution, and whether this request created it."""
    query = query_of(request, "id", "function", "timeout", "delay", "callback")
    sent_id = id_of(request, query)
    id = sent_id or request.app[NEW_IDS].make()
    request[LOGGED_ID] = id
    timeout, delay = _times(query)
    function, given = await _input(request, query.get("function"), is_sent=sent_id is not None)
    try:
        if given.refusal is not None:
            return await _replayed(request, id, given.fingerprint, given.refusal), False
        mark, cause = _mark_and_cause(request)
        new = NewExecution(
            id,
            function.name,
            function.version,
            given.json,
            given.fingerprint,
            timeout or _default_timeout(function),
            delay,
            mark,
            cause,
            callback=await _callback(request, id, query.get("callback")),
        )
        return await _stored(request, new)
    except BackendUnavailable as error:
        error.id = id
        raise


async def _stored(request: web.Request, new: NewExecution) -> tuple[Execution, bool]:
    """Store the execution, or find it where its id may not be new."""
    with request.app[NEW_IDS].storing(new.id) as refusal:
        if refusal is not None and not await _exists(request, new.id):
            raise BackendUnavailable(refusal)
        return await request.app[BACKEND].begin(new)


def _mark_and_cause(request: web.Request) -> tuple[str, Cause]:
    """Return what no other request has, and the cause of an execution that the request begins.

    Our own id of the request is both. A client may send its id again, with every attempt say.
    """
    id = request[REQUEST_ID]
    is_chosen = request.headers.get("X-Request-Id") == id
    mark, cause = (uuid_utils.uuid4().hex, Cause(id)) if is_chosen else (id, NO_CAUSE)
    span = request.get(TRACE)
    return mark, cause if span is None else cause.within(span)


async def _input(
    request: web.Request, name: str | None, *, is_sent: bool
) -> tuple[Function, Input]:
    """Return the function and its input, which has a `refusal` if nothing can be begun with it.

    The refusal is raised at once unless the id `is_sent`: only then this may repeat a request from
    before the function or its schema was changed.
    """
    served, inputs = request.app[CATALOG].served, request.app[INPUTS]
    name = served.catalog.default if name is None else name
    if name is None:
        known = known_functions(served.catalog)
        raise InvalidRequest(f"The parameter function is missing. {known}")
    try:
        function = function_of(served.catalog, name)
    except UnknownFunction as unknown:
        if not is_sent:
            raise
        return Function(name, 0, ""), await inputs.read_former(request, name, unknown)
    given = await inputs.read_input(request, function, served.validation)
    if given.refusal is not None and not is_sent:
        raise given.refusal
    return function, given


async def _replayed(
    request: web.Request, id: str, fingerprint: str, refusal: ServiceError
) -> Execution:
    """Return the execution that the same request began when the catalog still allowed it.

    Raises `refusal` if there is none.
    """
    execution = await request.app[BACKEND].replayed(id, fingerprint)
    if execution is None:
        raise refusal
    return execution


def _times(query: Mapping[str, str]) -> tuple[int | None, int]:
    """Return the seconds until the deadline, None for the default, and until the start."""
    timeout, delay = None, 0
    if "timeout" in query:
        timeout = seconds_of("timeout", query["timeout"], least=1, most=LONGEST_TIMEOUT)
    if "delay" in query:
        delay = seconds_of("delay", query["delay"], least=0, most=LONGEST_DELAY)
    return timeout, delay


def _default_timeout(function: Function) -> int:
    seconds = function.timeout_seconds
    return DEFAULT_TIMEOUT if seconds is None else math.ceil(seconds)


async def _callback(request: web.Request, id: str, url: str | None) -> str | None:
    """Return the callback once it is checked. Raises `InvalidInput`."""
    if url is None:
        return None
    try:
        await request.app[CALLBACK_CHECKER].check(url)
    except InvalidInput:
        # A replay's callback is ignored, so it need not be valid.
        if await _exists(request, id):
            return None
        raise
    return url


async def _exists(request: web.Request, id: str) -> bool:
    try:
        await request.app[BACKEND].read_root(id)
    except UnknownExecution:
        return False
    return True


async def _wait(request: web.Request, execution: Execution, seconds: int) -> tuple[Execution, int]:
    """Wait for the end; returns also how many seconds were waited for, 0 if waiting failed.

    The execution is stored, so a failure to wait is no failure of /begin.
    """
    try:
        return await request.app[LONG_POLLS].wait(execution.id, seconds), seconds
    except (BackendUnavailable, TooManyRequests):
        return execution, 0


ROUTES = (web.post("/begin", begin),)
