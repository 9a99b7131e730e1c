"""Executions that exist: wait, result, cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.api.executions import INCLUDES, LONGEST_REASON
from gateway.api.parameters import LONGEST_WAIT
from gateway.openapi.parts import (
    answer,
    body,
    header,
    problem,
    query,
    refusals,
)
from gateway.openapi.samples import PENDING, REJECTED, RESOLVED, RESULT, STOPPED
from gateway.openapi.schemas import closed, ref

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.openapi.parts import Block

TAG: Final = ["executions"]

ID: Final = query("id", "Of the execution.", ref("id"), required=True, example="job-1")

PREFER: Final = header(
    "Prefer",
    f"`wait=N` (RFC 7240): answer once it has ended, or after N s; at most {LONGEST_WAIT}.",
    {"type": "string"},
    example="wait=5",
)

IF_NONE_MATCH: Final = header("If-None-Match", "An `ETag` that the client has.", {"type": "string"})

WAIT: Final[Block] = {
    "operationId": "wait",
    "tags": TAG,
    "summary": "Tell the state of an execution",
    "description": "At once, or as soon as it has ended. A failure that was read is a 200.",
    "parameters": [
        ID,
        query(
            "wait",
            f"Answer once it has ended, or after this time; what is over {LONGEST_WAIT} s counts"
            f" as {LONGEST_WAIT}.",
            ref("duration"),
            example="5s",
        ),
        query(
            "include",
            "What to tell besides.",
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
        PREFER,
        IF_NONE_MATCH,
    ],
    "responses": {
        "200": answer(
            "Its state.",
            ref("execution"),
            "ETag",
            "Cache-Control",
            "Retry-After",
            "Preference-Applied",
            examples={
                "pending": PENDING,
                "resolved": RESOLVED,
                "rejected": REJECTED,
            },
        ),
        "304": answer(
            "The client has it already.",
            None,
            "ETag",
            "Cache-Control",
            "Retry-After",
            "Preference-Applied",
        ),
        **refusals(
            "/wait",
            "invalid-request",
            "unknown-id",
            "execution-canceled",
            "too-many-requests",
            "execution-rejected",
            "backend-unavailable",
            "execution-timedout",
        ),
    },
}

RESULT_OF: Final[Block] = {
    "operationId": "result",
    "tags": TAG,
    "summary": "Give the bare result",
    "parameters": [ID, IF_NONE_MATCH],
    "responses": {
        "200": answer(
            "The result.",
            ref("json"),
            "ETag",
            "Cache-Control",
            examples={"resolved": RESULT},
        ),
        "202": answer("There is none yet.", None, "Retry-After", "Cache-Control"),
        "304": answer("The client has it already.", None, "ETag", "Cache-Control"),
        **refusals(
            "/result",
            "invalid-request",
            "unknown-id",
            "execution-canceled",
            "execution-rejected",
            "backend-unavailable",
            "execution-timedout",
        ),
    },
}

REASON: Final = {"type": "string", "maxLength": LONGEST_REASON}

CANCEL: Final[Block] = {
    "operationId": "cancel",
    "tags": TAG,
    "summary": "End an execution",
    "description": (
        "The running step may still finish; no further one starts. What is below it ends too."
    ),
    "parameters": [ID],
    "requestBody": body(
        "Why, if you like.",
        {"oneOf": [closed({"reason": REASON}), {"type": "null"}]},
        {"reason": {"reason": "ordered twice"}},
    ),
    "responses": {
        "200": answer(
            "It is canceled, by this request or before.",
            ref("execution-stopped"),
            "Cache-Control",
            examples={"canceled": STOPPED},
        ),
        **refusals(
            "/cancel",
            "invalid-request",
            "unknown-id",
            problem("/cancel", "already-done", execution_status="resolved"),
            "payload-too-large",
            "unsupported-media-type",
            "backend-unavailable",
        ),
    },
}

PATHS: Final[Mapping[str, Block]] = {
    "/wait": {"get": WAIT},
    "/result": {"get": RESULT_OF},
    "/cancel": {"post": CANCEL},
}
