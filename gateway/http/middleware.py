"""What surrounds every request: its id, its trace, its log line, and an answer to every error."""

from __future__ import annotations

import re
import time
import uuid
from typing import TYPE_CHECKING, Final

import structlog
from aiohttp import web

from gateway.errors import ServiceError
from gateway.http.access_log import Entry
from gateway.http.keys import ACCESS_LOG, LOGGED_ID, REQUEST_ID, TRACE
from gateway.http.problems import (
    INTERNAL,
    REPORT_TO_OPERATOR,
    SERVER_NAME,
    http_error_response,
    path_of,
    problem_response,
    service_error_response,
)
from gateway.http.trace_context import trace_of
from shared.log import get_logger

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

SANE_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
CLIENT_CLOSED_REQUEST: Final = 499
"""The status in the log for a client that left before its answer, as nginx has it."""


@web.middleware
async def log_request(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id, bind the id to every log line, and log the request once."""
    sent = request.headers.get("X-Request-Id", "")
    request_id = sent if SANE_REQUEST_ID.fullmatch(sent) else uuid.uuid4().hex
    request[REQUEST_ID] = request_id
    context = {"request_id": request_id}
    trace = trace_of(request.headers.getall("traceparent", ()))
    if trace is not None:
        request[TRACE] = trace
        context |= {"trace_id": trace.trace_id, "span_id": trace.span_id}
    began = time.perf_counter()
    status = CLIENT_CLOSED_REQUEST
    structlog.contextvars.bind_contextvars(**context)  # each request runs in a context of its own
    try:
        response = await handler(request)
        status = response.status
    finally:
        entry = Entry(
            request.method,
            _route_of(request),
            request.get(LOGGED_ID) or request.query.get("id", ""),
            status,
            time.perf_counter() - began,
            context,
        )
        request.app[ACCESS_LOG].add(entry)
    return response


async def add_own_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Send the service's name and the request's id with every answer, streams included."""
    response.headers["Server"] = SERVER_NAME
    if REQUEST_ID in request:  # no middleware has seen a request that aiohttp's parser refused
        response.headers["X-Request-Id"] = request[REQUEST_ID]


def _route_of(request: web.Request) -> str:
    """Return the path of the route, without anything that the client chose."""
    resource = request.match_info.route.resource
    return path_of(request) if resource is None else resource.canonical


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever a handler raises into a problem; an unexpected error is not shown."""
    try:
        return await handler(request)
    except ServiceError as error:
        return service_error_response(request, error)
    except web.HTTPException as error:
        return http_error_response(request, error)
    except Exception:  # noqa: BLE001 - the last resort
        get_logger().exception("request failed", path=path_of(request))
        return problem_response(request, INTERNAL, REPORT_TO_OPERATOR)
