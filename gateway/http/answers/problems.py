"""Errors as `application/problem+json` (RFC 9457), from one table."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from gateway import errors
from gateway.http.answers.small_response import Head, SmallResponse
from gateway.http.keys import REQUEST_ID

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web

RETRY_AFTER_SECONDS: Final = "1"
SERVER_NAME: Final = "durable-http"
"""The header `Server`, without versions, which would help nobody but an attacker."""


@dataclass(frozen=True)
class Problem:
    """A kind of problem: the last part of its type URI, its status and its title."""

    slug: str
    status: int
    title: str


class Fault(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One place of an input that its function does not take."""

    pointer: Annotated[str, Meta(description="JSON pointer (RFC 6901).")]
    message: str


class ProblemBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a problem."""

    type: str
    title: str
    status: int
    detail: Annotated[str, Meta(description="What is wrong, or what to do.")]
    instance: Annotated[str, Meta(description="The path of the request.")] | UnsetType = UNSET
    id: str | UnsetType = UNSET
    execution_status: str | UnsetType = UNSET
    error: Any = UNSET
    errors: Annotated[list[Fault], Meta(min_length=1)] | UnsetType = UNSET
    request_id: Annotated[str, Meta(description="As in X-Request-Id and in the log.")]


INTERNAL: Final = Problem("internal", 500, "The service failed")
UNAVAILABLE: Final = Problem("backend-unavailable", 503, "The service cannot answer right now")
TOO_MANY: Final = Problem("too-many-requests", 429, "Too many requests")
MALFORMED: Final = Problem("invalid-request", 400, "The request breaks a rule")
OVERLONG_HEAD: Final = Problem("invalid-request", 431, "The request's head is too large")

REPORT_TO_OPERATOR: Final = "Give the request_id to the operator of this service."
"""The detail of every `internal` problem."""

TOO_LARGE: Final = Problem("payload-too-large", 413, "The body is too large")

LONGEST_PATH: Final = 256
NOT_IN_PATHS: Final = re.compile(r"[^!-~]")

PROBLEM_BY_ERROR: Final[Mapping[type[errors.ServiceError], Problem]] = {
    errors.InvalidRequest: MALFORMED,
    errors.InvalidInput: Problem("invalid-input", 422, "The input or the callback is not valid"),
    errors.UnknownExecution: Problem("unknown-id", 404, "There is no execution of this id"),
    errors.UnknownFunction: Problem("unknown-function", 404, "There is no function of this name"),
    errors.IdReused: Problem("id-reused", 422, "The id belongs to another request"),
    errors.AlreadyDone: Problem("already-done", 409, "The execution has ended already"),
    errors.SignalConflict: Problem("signal-conflict", 409, "The signal cannot be delivered"),
    errors.TooManyValues: TOO_MANY,
    errors.TooManyRequests: TOO_MANY,
    errors.ValueLost: Problem("value-lost", 500, "A stored value cannot be read"),
    errors.Overloaded: Problem("overloaded", 503, "This gateway holds as much as it may"),
    errors.Unauthorized: Problem("unauthorized", 401, "A token is needed"),
    errors.ForbiddenOrigin: Problem("forbidden-origin", 403, "Pages of this origin may not call"),
    errors.ForbiddenHost: Problem("forbidden-host", 403, "This gateway has another name"),
    errors.ExecutionRejected: Problem("execution-rejected", 500, "The execution was rejected"),
    errors.ExecutionCanceled: Problem("execution-canceled", 410, "The execution was canceled"),
    errors.ExecutionTimedOut: Problem("execution-timedout", 504, "The execution timed out"),
    errors.UnsupportedMediaType: Problem("unsupported-media-type", 415, "The body must be JSON"),
    errors.ValueTooLarge: TOO_LARGE,
    errors.BackendUnavailable: UNAVAILABLE,
    errors.StoreNotWritable: UNAVAILABLE,
    errors.Saturated: UNAVAILABLE,
    errors.DeadlineExceeded: UNAVAILABLE,
}

PROBLEM_BY_STATUS: Final[Mapping[int, Problem]] = {
    404: Problem("not-found", 404, "There is nothing at this path"),
    405: Problem("method-not-allowed", 405, "The path does not take this method"),
    413: TOO_LARGE,
    415: Problem("unsupported-media-type", 415, "The body must be JSON"),
}

DETAILS: Final[Mapping[int, str]] = {
    404: "No such path; GET / lists all.",
    405: "Use a method that the Allow header names.",
    413: "Send a smaller body; GATEWAY_MAX_BODY sets the limit.",
}


def path_of(request: web.BaseRequest) -> str:
    """Return the path as it was sent, fit for a log line: short, printable ASCII."""
    return NOT_IN_PATHS.sub("?", request.rel_url.raw_path[:LONGEST_PATH]) or "/"


def problem_response(  # noqa: PLR0913 - the optional members of a problem
    request: web.BaseRequest,
    problem: Problem,
    detail: str,
    *,
    source: str = "gateway",
    show_path: bool = True,
    id: str | None = None,
    execution_status: str | None = None,
    error: object = UNSET,
    faults: list[Fault] | None = None,
) -> web.Response:
    """Return the answer for a problem; `detail` is what is wrong, or what to do.

    `source` is who failed. `workflow`: the execution itself failed, and `error` says why.
    """
    body = ProblemBody(
        type=f"/problems/{problem.slug}",
        title=problem.title,
        status=problem.status,
        detail=detail,
        instance=path_of(request) if show_path else UNSET,
        id=UNSET if id is None else id,
        execution_status=UNSET if execution_status is None else execution_status,
        error=error,
        errors=faults or UNSET,
        request_id=request[REQUEST_ID],
    )
    headers = {
        "Content-Type": "application/problem+json",
        "Error-Source": source,
        "Cache-Control": "no-store",
    }
    if problem.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if problem.status in {429, 503}:
        headers["Retry-After"] = RETRY_AFTER_SECONDS
    raw = msgspec.json.encode(body)
    return SmallResponse(raw, Head(problem.status, headers, len(raw)))


def service_error_response(request: web.Request, error: errors.ServiceError) -> web.Response:
    """Return the answer for an error of `gateway.errors`."""
    faults = error.faults if isinstance(error, errors.InvalidInput) else ()
    return problem_response(
        request,
        PROBLEM_BY_ERROR[type(error)],
        error.detail,
        source=error.source,
        id=error.id,
        execution_status=error.status if isinstance(error, errors.AlreadyDone) else None,
        error=error.error if isinstance(error, errors.OutcomeError) else UNSET,
        faults=[Fault(**fault) for fault in faults],
    )


def http_error_response(request: web.Request, error: web.HTTPException) -> web.Response:
    """Return the answer for an error of aiohttp, with its `Allow` header."""
    problem = PROBLEM_BY_STATUS.get(error.status) or Problem(
        "invalid-request" if error.status < 500 else "internal", error.status, error.reason
    )
    response = problem_response(request, problem, DETAILS.get(error.status, problem.title))
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response
