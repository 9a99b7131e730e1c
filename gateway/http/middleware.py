"""What surrounds every request: its id, its trace, its log line, and an answer to every error."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Final

import structlog
import uuid_utils
from aiohttp import web

from gateway.errors import BackendUnavailable, ServiceError
from gateway.http.access_log import QUIET_PATHS, Entry
from gateway.http.answers.problems import (
    INTERNAL,
    REPORT_TO_OPERATOR,
    SERVER_NAME,
    http_error_response,
    path_of,
    problem_response,
    service_error_response,
)
from gateway.http.auth import require_token
from gateway.http.body import count_body
from gateway.http.browsers import preflight_answer, share
from gateway.http.keys import (
    ACCESS_LOG,
    ANSWERING_CELL,
    CELL,
    CELL_HOP,
    LOGGED_ID,
    REQUEST_ID,
    TRACE,
)
from gateway.http.routing import path_of_route
from gateway.http.trace_context import trace_of
from shared.ids import is_execution_id
from shared.log import get_logger
from shared.telemetry.spans import NO_SPAN
from shared.telemetry.tracing import tracing

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

    from shared.telemetry.spans import Span

SANE_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
WITH_BODIES: Final = frozenset({"POST", "PUT", "PATCH"})
CLIENT_CLOSED_REQUEST: Final = 499
"""The status in the log for a client that left before its answer, as nginx has it."""


async def surround(handler: Handler, request: web.Request) -> web.StreamResponse:
    """Give the request an id, bind the id to every log line, and log the request once."""
    path = path_of_route(request) or path_of(request)
    context, span = _identify(request, path)
    began = time.perf_counter()
    status = CLIENT_CLOSED_REQUEST
    structlog.contextvars.bind_contextvars(**context)  # each request runs in a context of its own
    try:
        with span.current():
            response = await _answer(request, handler)
        status = response.status
        if not response.prepared:
            add_own_headers(request, response)
    finally:
        id = request.get(LOGGED_ID) or request.query.get("id", "")
        seconds = time.perf_counter() - began
        entry = Entry(request.method, path, id, status, seconds, context, time.time())
        request.app[ACCESS_LOG].add(entry)
        span.answered(status, id if is_execution_id(id) else None)
    return response


def surround_refusals(handler: Handler) -> Handler:
    """Return an application's handler that answers also what no route takes as `surround` does.

    aiohttp refuses unknown paths and methods outside of all routes.
    """

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as error:
            refusal = error

        async def refuse(_: web.Request) -> web.StreamResponse:
            raise refusal

        return await surround(refuse, request)

    return handle


def _identify(request: web.Request, path: str) -> tuple[dict[str, str], Span]:
    """Give the request its id; return what all its log lines carry, and its span."""
    sent = request.headers.get("X-Request-Id")
    is_sane = sent is not None and SANE_REQUEST_ID.fullmatch(sent)
    request_id = request[REQUEST_ID] = sent if sent and is_sane else uuid_utils.uuid4().hex
    context = {"request_id": request_id}
    trace = None
    if "traceparent" in request.headers:
        states = request.headers.getall("tracestate", ())
        trace = trace_of(request.headers.getall("traceparent"), states)
    span = NO_SPAN
    if path not in QUIET_PATHS:
        route = path_of_route(request)
        span = tracing().request(request.method, route, path_of(request), trace)
    trace = span.context or trace
    if trace is not None:
        request[TRACE] = trace
        context |= {"trace_id": trace.trace_id, "span_id": trace.span_id}
    return context, span


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Serve who may be served, and turn whatever is raised into a problem.

    An unexpected error is not shown.
    """
    try:
        preflight = preflight_answer(request)
        if preflight is not None:
            return preflight
        require_token(request)
        _require_cell(request)
        if request.method in WITH_BODIES:
            return await count_body(request, handler)
        return await handler(request)
    except ServiceError as error:
        return service_error_response(request, error)
    except web.HTTPException as error:
        return http_error_response(request, error)
    except Exception:  # noqa: BLE001 - the last resort
        get_logger().exception("request failed", path=path_of(request))
        return problem_response(request, INTERNAL, REPORT_TO_OPERATOR)


def _require_cell(request: web.Request) -> None:
    """Refuse what a cell's gateway passes on to one that is of none: here is not what it means."""
    if CELL_HOP in request.headers and not request.app[CELL]:
        raise BackendUnavailable("This gateway is of no cell; the slot map names a wrong one.")


def add_own_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Give an answer the headers that every answer has; a stream has them from its handler."""
    response.headers["Server"] = SERVER_NAME
    response.headers["X-Request-Id"] = request[REQUEST_ID]
    cell = request.app[CELL]
    if cell and CELL_HOP in request.headers:
        response.headers[ANSWERING_CELL] = cell
    share(request, response)
