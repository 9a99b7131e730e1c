"""Around every request: its id, its trace, its log line, and an answer whatever goes wrong."""

from __future__ import annotations

import re
import time
import uuid
from typing import TYPE_CHECKING, Final

import structlog
from aiohttp import web

from gateway.errors import ServiceError
from gateway.http.access_log import Entry
from gateway.http.problems import INTERNAL, of_http, of_service, path_of, problem_response
from gateway.http.trace_context import trace_of
from gateway.keys import ACCESS_LOG, EXECUTION_ID, REQUEST_ID, TRACE
from shared.log import get_logger

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

SANE_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
GONE: Final = 499
"""Logged for a request whose client did not stay for the answer."""


@web.middleware
async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id, bind it to every log line, and log the request once."""
    given = request.headers.get("X-Request-Id", "")
    request_id = given if SANE_REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
    request[REQUEST_ID] = request_id
    bound = {"request_id": request_id}
    trace = trace_of(request.headers.getall("traceparent", ()))
    if trace is not None:
        request[TRACE] = trace
        bound |= {"trace_id": trace.trace_id, "span_id": trace.span_id}
    began = time.perf_counter()
    status = GONE
    structlog.contextvars.bind_contextvars(**bound)  # each request has a context of its own
    try:
        response = await handler(request)
        status = response.status
    finally:
        entry = Entry(
            request.method,
            _route_of(request),
            request.get(EXECUTION_ID) or request.query.get("id", ""),
            status,
            time.perf_counter() - began,
            bound,
        )
        request.app[ACCESS_LOG].tell(entry)
    return response


async def identify(request: web.Request, response: web.StreamResponse) -> None:
    """Show the request's id on its answer, also on one that begins before its handler ends."""
    if REQUEST_ID in request:  # else aiohttp's parser refused it, and nobody has looked at it
        response.headers["X-Request-Id"] = request[REQUEST_ID]


def _route_of(request: web.Request) -> str:
    """Return what was asked for, without anything that the client sent along."""
    resource = request.match_info.route.resource
    return path_of(request) if resource is None else resource.canonical


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever a handler raises into a problem; an unexpected error is not shown."""
    try:
        return await handler(request)
    except ServiceError as error:
        return of_service(request, error)
    except web.HTTPException as error:
        return of_http(request, error)
    except Exception:  # noqa: BLE001 - the last resort
        get_logger().exception("request failed", path=path_of(request))
        return problem_response(request, INTERNAL, "tell the operator the request_id")
