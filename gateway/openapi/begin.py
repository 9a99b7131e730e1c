"""POST /begin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import orjson

from gateway.openapi.executions import PREFER, TAG
from gateway.openapi.parts import answer, body, header, problem, query, refusals
from gateway.openapi.samples import INPUTS, RESULT, begun
from gateway.openapi.schemas import ref
from shared.catalog import CATALOG, DEFAULT_FUNCTION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.openapi.parts import Block

FUNCTIONS: Final = "\n".join(f"- `{each.name}`: {each.summary}" for each in CATALOG.values())

FOLLOWING: Final = {
    name: {"operationId": name, "parameters": {"id": "$response.body#/promise"}}
    for name in ("wait", "result", "events", "cancel", "signal")
}
"""Where an answer to /begin leads."""

BEGIN: Final[Block] = {
    "operationId": "begin",
    "tags": TAG,
    "summary": "Start a durable execution",
    "description": (
        "Answers as soon as it is stored. The same id with the same function and input is the same"
        " execution, never a second run, so asking again is always safe."
    ),
    "parameters": [
        query("id", "Else the header Idempotency-Key, else minted.", ref("id"), example="job-1"),
        query(
            "function",
            f"Which function; without it `{DEFAULT_FUNCTION}`.\n\n{FUNCTIONS}",
            ref("function"),
            example=DEFAULT_FUNCTION,
        ),
        query(
            "timeout",
            "When it is over, from its start: 1 s to 365 d; without it 24 h.",
            ref("duration"),
            example="15m",
        ),
        query(
            "callback",
            "A public URL that is told of the end, as Standard Webhooks describes.",
            {"type": "string", "format": "uri", "maxLength": 2048},
        ),
        query("delay", "Start not before: 0 s to 30 d from now.", ref("duration"), example="0s"),
        header(
            "Idempotency-Key",
            "The id, bare or as a quoted string (RFC 8941); with the parameter id, both are equal.",
            {"type": "string", "pattern": '^([A-Za-z0-9_-]{1,128}|"[A-Za-z0-9_-]{1,128}")$'},
        ),
        PREFER,
    ],
    "requestBody": body(
        "The function's input; without one, the default in its schema.",
        ref("input"),
        {
            name: INPUTS.get(name, orjson.loads(function.default_input))
            for name, function in CATALOG.items()
        },
    ),
    "responses": {
        "200": answer(
            "It existed, or ended within `Prefer: wait=N`, and this is its outcome.",
            ref("begun-ended"),
            "Location",
            "Cache-Control",
            "Idempotent-Replayed",
            "Preference-Applied",
            examples={"resolved": begun("resolved", result=RESULT)},
            links=FOLLOWING,
        ),
        "202": answer(
            "It is stored, and pending.",
            ref("begun-pending"),
            "Location",
            "Retry-After",
            "Cache-Control",
            "Idempotent-Replayed",
            "Preference-Applied",
            examples={"pending": begun("pending")},
            links=FOLLOWING,
        ),
        **refusals(
            "/begin",
            problem("/begin", "invalid-request", detail="id must match [A-Za-z0-9_-]{1,128}"),
            problem("/begin", "unknown-function", detail=f"known functions: {', '.join(CATALOG)}"),
            "payload-too-large",
            "unsupported-media-type",
            problem(
                "/begin",
                "invalid-input",
                detail="not what checkout takes: /pace",
                errors=[{"pointer": "/pace", "message": "-1 is less than the minimum of 0"}],
            ),
            "id-reused",
            problem(
                "/begin",
                "too-many-requests",
                detail="too many begins are under way; try again a little later",
            ),
            problem(
                "/begin", "backend-unavailable", detail="the server cannot be reached", id="job-1"
            ),
        ),
    },
}

PATHS: Final[Mapping[str, Block]] = {"/begin": {"post": BEGIN}}
