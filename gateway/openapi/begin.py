"""The operation of POST /begin."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from gateway.api.parameters import known_functions
from gateway.http.budgets import BODIES_DETAIL
from gateway.openapi.parts import (
    EXECUTIONS,
    PREFER,
    answer,
    body,
    error_responses,
    function_example,
    header,
    problem,
    query,
)
from gateway.openapi.samples import INPUTS, RESULT, begun
from gateway.openapi.struct_schemas import ref

if TYPE_CHECKING:
    from gateway.inputs.validation import Validation
    from gateway.openapi.parts import Block
    from shared.catalog import Catalog, Function

FOLLOWING: Final = {
    name: {"operationId": name, "parameters": {"id": "$response.body#/promise"}}
    for name in ("wait", "result", "events", "cancel", "signal")
}
"""Links from an answer to what can be asked next."""


def paths(catalog: Catalog, validation: Validation) -> dict[str, Block]:
    """Return the paths of a gateway that serves this catalog."""
    return {
        "/begin": {
            "post": {
                "operationId": "begin",
                "tags": EXECUTIONS,
                "summary": "Start a durable execution",
                "description": (
                    "Answers as soon as the execution is stored. The same id with the same function"
                    " and input is the same execution, never a second run, so repeating a request"
                    " is always safe."
                ),
                "parameters": _parameters(catalog),
                "requestBody": body(
                    "The function's input; an empty body is the default in its schema.",
                    ref("input"),
                    _inputs(catalog, validation),
                ),
                "responses": {**_answers(), **_error_responses(catalog)},
            }
        }
    }


def _inputs(catalog: Catalog, validation: Validation) -> dict[str, Any]:
    """Return an example of an input of each function for which one is known."""
    found = {}
    for name, function in catalog.public.items():
        known = [INPUTS[name]] if name in INPUTS else []
        for each in (*known, function.default_input):
            if name not in found and validation.takes(function, each):
                found[name] = each
    return found


def _line(function: Function) -> str:
    """Return a function's line in the list of all."""
    also = ""
    if function.timeout_seconds is not None:
        also += f" Its timeout is {math.ceil(function.timeout_seconds)} s by default."
    if function.signals:
        also += f" Waits for signals: {', '.join(f'`{name}`' for name in function.signals)}."
    return f"- `{function.name}`: {function.summary}{also}"


def _parameters(catalog: Catalog) -> list[Block]:
    default = "" if catalog.default is None else f"; `{catalog.default}` by default"
    functions = "\n".join(map(_line, catalog.public.values()))
    return [
        query(
            "id",
            "The execution's id; without it the header Idempotency-Key, or a new id.",
            ref("id"),
            example="job-1",
        ),
        query(
            "function",
            f"The function to run{default}.\n\n{functions}",
            ref("function"),
            required=catalog.default is None,
            **function_example(catalog),
        ),
        query(
            "timeout",
            "The execution's deadline, from its start: 1 s to 365 d; by default 24 h, or what the"
            " function has.",
            ref("duration"),
            example="15m",
        ),
        query(
            "callback",
            "A public URL that gets a webhook at the end, as Standard Webhooks describes.",
            {"type": "string", "format": "uri", "maxLength": 2048},
        ),
        query("delay", "Start not before: 0 s to 30 d from now.", ref("duration"), example="0s"),
        header(
            "Idempotency-Key",
            "The id, bare or as a quoted string (RFC 8941); equal to the parameter id if both are"
            " given.",
            {"type": "string", "pattern": '^([A-Za-z0-9_-]{1,128}|"[A-Za-z0-9_-]{1,128}")$'},
        ),
        PREFER,
    ]


def _answers() -> dict[str, Block]:
    replayed = ("Idempotent-Replayed", "Preference-Applied")
    return {
        "200": answer(
            "The outcome of an execution that had ended, or ended within `Prefer: wait=N`.",
            ref("begun-ended"),
            *("Location", "Cache-Control", *replayed),
            examples={"resolved": begun("resolved", result=RESULT)},
            links=FOLLOWING,
        ),
        "202": answer(
            "The execution is stored, and pending.",
            ref("begun-pending"),
            *("Location", "Retry-After", "Cache-Control", *replayed),
            examples={"pending": begun("pending")},
            links=FOLLOWING,
        ),
    }


def _error_responses(catalog: Catalog) -> dict[str, Block]:
    crowded = "Too many begins are running; try again a little later."
    return error_responses(
        "/begin",
        problem("/begin", "invalid-request", detail="The id must match [A-Za-z0-9_-]{1,128}."),
        problem("/begin", "unknown-function", detail=known_functions(catalog)),
        "payload-too-large",
        "unsupported-media-type",
        problem(
            "/begin",
            "invalid-input",
            detail="checkout does not take the input at /pace.",
            errors=[{"pointer": "/pace", "message": "-1 is less than the minimum of 0"}],
        ),
        "id-reused",
        problem("/begin", "too-many-requests", detail=crowded),
        problem(
            "/begin",
            "backend-unavailable",
            detail="The Resonate server cannot be reached; repeat with the same id.",
            id="job-1",
        ),
        "value-lost",
        problem("/begin", "overloaded", detail=BODIES_DETAIL),
    )
