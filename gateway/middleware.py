"""Around every request: its id, its log line, and an answer whatever goes wrong."""

from __future__ import annotations

import hmac
import re
import time
import uuid
from typing import TYPE_CHECKING, Final

import structlog
from aiohttp import web

from gateway.errors import INTERNAL, of_http, of_service, problem_response
from gateway.keys import REQUEST_ID, SETTINGS
from shared.errors import ServiceError, Unauthorized
from shared.log import get_logger

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

SANE_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
OPEN_PATHS: Final = frozenset({"/healthz", "/readyz", "/metrics", "/docs", "/openapi.json"})
QUIET_PATHS: Final = frozenset({"/healthz", "/readyz"})


@web.middleware
async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id, bind it to every log line, and log the request once."""
    given = request.headers.get("X-Request-Id", "")
    request_id = given if SANE_REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
    request[REQUEST_ID] = request_id
    began = time.perf_counter()
    with structlog.contextvars.bound_contextvars(request_id=request_id):
        response = await handler(request)
        log = get_logger()
        (log.debug if request.path in QUIET_PATHS else log.info)(
            "request",
            method=request.method,
            path=request.path,
            id=request.query.get("id", "")[:128],
            status=response.status,
            milliseconds=round((time.perf_counter() - began) * 1000, 1),
        )
    return response


async def identify(request: web.Request, response: web.StreamResponse) -> None:
    """Show the request's id on its answer, also on one that begins before its handler ends."""
    response.headers["X-Request-Id"] = request[REQUEST_ID]


@web.middleware
async def authorize(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let in who has one of the tokens, or everybody where there are none."""
    tokens = request.app[SETTINGS].tokens
    if tokens and request.path not in OPEN_PATHS:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        # Every token is compared, so that the time taken tells nothing of which one is near.
        matches = [hmac.compare_digest(given.strip().encode(), token.encode()) for token in tokens]
        if scheme.lower() != "bearer" or not any(matches):
            raise Unauthorized("send Authorization: Bearer with a token that this service knows")
    return await handler(request)


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
        get_logger().exception("request failed", path=request.path)
        return problem_response(request, INTERNAL, "tell the operator the request_id")
