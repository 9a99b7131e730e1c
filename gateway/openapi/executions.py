"""The operations of GET /wait, GET /result and POST /cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.api.executions import INCLUDES, CancelBody
from gateway.api.parameters import LONGEST_WAIT
from gateway.http.budgets import BODIES_DETAIL
from gateway.openapi.parts import (
    EXECUTIONS,
    ID,
    IF_NONE_MATCH,
    PREFER,
    answer,
    body,
    error_responses,
    problem,
    query,
)
from gateway.openapi.samples import (
    BLOCKED,
    CANCELED,
    PENDING,
    REJECTED,
    RESOLVED,
    RESULT,
    RETRYING,
    TIMEDOUT,
)
from gateway.openapi.schemas import schema_of
from gateway.openapi.struct_schemas import NULL, ref

if TYPE_CHECKING:
    from gateway.openapi.parts import Block


def paths() -> dict[str, Block]:
    """Return the paths of executions that exist."""
    return {
        "/wait": {"get": _wait()},
        "/result": {"get": _result()},
        "/cancel": {"post": _cancel()},
    }


def _wait() -> Block:
    headers = ("ETag", "Cache-Control", "Retry-After", "Preference-Applied")
    examples = {
        "pending": PENDING,
        "retrying": RETRYING,
        "blocked": BLOCKED,
        "resolved": RESOLVED,
        "rejected": REJECTED,
        "canceled": CANCELED,
        "timedout": TIMEDOUT,
    }
    return {
        "operationId": "wait",
        "tags": EXECUTIONS,
        "summary": "Return the state of an execution",
        "description": (
            "Answers at once, or when the execution has ended. Reading a failure succeeds: 200."
            " While no running worker has code that fits what is stored, the phase is `blocked`,"
            " and `blocked` says why; the execution goes on as soon as one does."
        ),
        "parameters": [ID, *_wait_parameters(), PREFER, IF_NONE_MATCH],
        "responses": {
            "200": answer("The execution's state.", ref("execution"), *headers, examples=examples),
            "304": answer("The client's copy is current.", None, *headers),
            **error_responses(
                "/wait",
                *("invalid-request", "unknown-id", "execution-canceled", "too-many-requests"),
                *("execution-rejected", "backend-unavailable", "execution-timedout"),
                *("value-lost", "overloaded"),
            ),
        },
    }


def _wait_parameters() -> list[Block]:
    return [
        query(
            "wait",
            f"Answer at the end, or after this time; more than {LONGEST_WAIT} s counts as"
            f" {LONGEST_WAIT} s.",
            ref("duration"),
            example="5s",
        ),
        query(
            "include",
            "More to return.",
            {"type": "array", "items": {"enum": sorted(INCLUDES)}},
            style="form",
            explode=False,
            example=["input", "steps"],
        ),
        query(
            "raise",
            "1 answers rejected with 500, timedout with 504, canceled with 410.",
            {"enum": ["0", "1"]},
            example="0",
        ),
    ]


def _result() -> Block:
    return {
        "operationId": "result",
        "tags": EXECUTIONS,
        "summary": "Return the bare result",
        "parameters": [ID, IF_NONE_MATCH],
        "responses": {
            "200": answer(
                "The result.", ref("json"), "ETag", "Cache-Control", examples={"resolved": RESULT}
            ),
            "202": answer("No result yet.", None, "Retry-After", "Cache-Control"),
            "304": answer("The client's copy is current.", None, "ETag", "Cache-Control"),
            **error_responses(
                "/result",
                *("invalid-request", "unknown-id", "execution-canceled"),
                *("execution-rejected", "backend-unavailable", "execution-timedout"),
                *("value-lost", "overloaded"),
            ),
        },
    }


def _cancel() -> Block:
    return {
        "operationId": "cancel",
        "tags": EXECUTIONS,
        "summary": "End an execution",
        "description": (
            "The running step may still finish; no further step starts. The execution's children"
            " end too."
        ),
        "parameters": [ID],
        "requestBody": body(
            "The reason, optionally.",
            {"oneOf": [schema_of(CancelBody), NULL]},
            {"reason": {"reason": "ordered twice"}},
        ),
        "responses": {
            "200": answer(
                "The execution is canceled, by this request or before.",
                ref("execution-canceled"),
                "Cache-Control",
                examples={"canceled": CANCELED},
            ),
            **error_responses(
                "/cancel",
                *("invalid-request", "unknown-id"),
                problem("/cancel", "already-done", execution_status="resolved"),
                *("payload-too-large", "unsupported-media-type", "backend-unavailable"),
                problem("/cancel", "overloaded", detail=BODIES_DETAIL),
            ),
        },
    }
