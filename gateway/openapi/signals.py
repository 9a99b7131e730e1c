"""The operation of POST /signal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.api.signals import DeliveredBody
from gateway.backend.signals.delivery import FULL_DETAIL
from gateway.http.budgets import BODIES_DETAIL
from gateway.openapi.parts import (
    EXECUTIONS,
    ID,
    answer,
    body,
    error_responses,
    header,
    problem,
    query,
)
from gateway.openapi.samples import DELIVERED
from gateway.openapi.schemas import variant_of
from gateway.openapi.struct_schemas import Variant, ref

if TYPE_CHECKING:
    from gateway.openapi.parts import Block


NAME: Final = query(
    "name",
    "The signal's name in the function.",
    ref("signal-name"),
    required=True,
    example="approval",
)

KEY: Final = header(
    "Idempotency-Key",
    "Bare or as a quoted string (RFC 8941); a repeat with the same key and value delivers nothing"
    " more.",
    {"type": "string", "pattern": '^("[!#-~]{1,255}"|[!#-~]{1,255})$'},
)


def paths() -> dict[str, Block]:
    """Return the path of signals."""
    operation = {
        "operationId": "signal",
        "tags": EXECUTIONS,
        "summary": "Deliver a value to an execution",
        "description": (
            "The execution waits for the signal, or will. Any JSON is a value; no body is `null`."
            " Each request delivers one more value of the name, and the function takes them in"
            " order. With an Idempotency-Key a request can be repeated."
        ),
        "parameters": [ID, NAME, KEY],
        "requestBody": body("The value.", ref("json"), {"yes": {"approved": True}, "no": False}),
        "responses": {
            "200": _delivered(
                "This value was delivered before, by a request with this key or at the end.",
                first=False,
            ),
            "202": _delivered("The value is delivered.", first=True),
            **error_responses(
                "/signal",
                *("invalid-request", "unknown-id", "signal-conflict", "payload-too-large"),
                *("unsupported-media-type", "backend-unavailable"),
                problem("/signal", "too-many-requests", detail=FULL_DETAIL),
                problem("/signal", "overloaded", detail=BODIES_DETAIL),
            ),
        },
    }
    return {"/signal": {"post": operation}}


def _delivered(description: str, *, first: bool) -> Block:
    variant = Variant({"delivered": {"const": True}, "first": {"const": first}})
    examples = {"delivered": {**DELIVERED, "first": first}}
    schema = variant_of(DeliveredBody, variant)
    return answer(description, schema, "Cache-Control", examples=examples)
