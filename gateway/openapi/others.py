"""Signals, the list, and what the service says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.api.listing import DEFAULT_LIMIT, MOST
from gateway.openapi.executions import ID, IF_NONE_MATCH
from gateway.openapi.page import TYPES
from gateway.openapi.parts import answer, body, problem, query, refusals
from gateway.openapi.samples import ITEM
from gateway.openapi.schemas import closed, ref
from shared.catalog import CATALOG

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.openapi.parts import Block

SERVICE: Final = ["service"]

_DELIVERED: Final = {"promise_id": "job-1", "signal": "approval", "delivered": True}


def _delivered(description: str, *, first: bool) -> Block:
    schema = closed(
        {
            "promise_id": ref("id"),
            "signal": ref("signal-name"),
            "delivered": {"const": True},
            "first": {"const": first},
        }
    )
    examples = {"delivered": {**_DELIVERED, "first": first}}
    return answer(description, schema, "Cache-Control", examples=examples)


SIGNAL: Final[Block] = {
    "operationId": "signal",
    "tags": ["executions"],
    "summary": "Deliver a value to an execution",
    "description": "To one that waits for it, or will. Any JSON is a value; no body is `null`.",
    "parameters": [
        ID,
        query(
            "name",
            "What the function calls it.",
            ref("signal-name"),
            required=True,
            example="approval",
        ),
    ],
    "requestBody": body("The value.", ref("json"), {"yes": {"approved": True}, "no": False}),
    "responses": {
        "200": _delivered("It had been delivered before, with this value.", first=False),
        "202": _delivered("It is delivered.", first=True),
        **refusals(
            "/signal",
            "invalid-request",
            "unknown-id",
            "signal-conflict",
            "payload-too-large",
            "unsupported-media-type",
            "backend-unavailable",
        ),
    },
}

LIST: Final[Block] = {
    "operationId": "list",
    "tags": ["executions"],
    "summary": "List executions, newest first",
    "description": "A page may be shorter than `limit` and still have a `next_cursor`.",
    "parameters": [
        query("status", "Only those that are so.", ref("status"), example="resolved"),
        query("function", "Only those of this function.", ref("function"), example="foo"),
        query(
            "prefix",
            "Only those whose id begins so, to the letter; empty for all.",
            {"type": "string", "pattern": "^[A-Za-z0-9_-]{0,128}$"},
            example="job-",
        ),
        query(
            "limit",
            "The most that a page holds.",
            {"type": "integer", "minimum": 1, "maximum": MOST, "default": DEFAULT_LIMIT},
            example=10,
        ),
        query(
            "cursor",
            "`next_cursor` of the page before, with the same status, function and prefix.",
            {"type": "string"},
        ),
    ],
    "responses": {
        "200": answer(
            "A page.",
            closed(
                {
                    "items": {"type": "array", "maxItems": MOST, "items": ref("item")},
                    "next_cursor": {"type": ["string", "null"]},
                }
            ),
            "Cache-Control",
            examples={"last": {"items": [ITEM], "next_cursor": None}},
        ),
        **refusals(
            "/list",
            problem("/list", "invalid-request", detail=f"limit must be 1 to {MOST}"),
            problem("/list", "unknown-function", detail=f"known functions: {', '.join(CATALOG)}"),
            "backend-unavailable",
        ),
    },
}

_WELL: Final = answer(
    "It is.",
    closed({"status": {"const": "ok"}}),
    "Cache-Control",
    examples={"ok": {"status": "ok"}},
)

HEALTHZ: Final[Block] = {
    "operationId": "healthz",
    "tags": SERVICE,
    "summary": "Tell whether the process lives",
    "responses": {"200": _WELL, **refusals("/healthz")},
}

READYZ: Final[Block] = {
    "operationId": "readyz",
    "tags": SERVICE,
    "summary": "Tell whether it should be sent requests",
    "description": "503 names the check that fails.",
    "responses": {
        "200": _WELL,
        **refusals(
            "/readyz",
            problem("/readyz", "backend-unavailable", detail="server: it does not answer"),
        ),
    },
}

_LINK: Final = {"type": "string", "pattern": "^/[a-z.]+$"}

INDEX: Final[Block] = {
    "operationId": "index",
    "tags": SERVICE,
    "summary": "Tell what there is",
    "responses": {
        "200": answer(
            "Links.",
            closed(
                {
                    "service": {"const": "durable-http"},
                    "links": {"type": "object", "additionalProperties": _LINK},
                }
            ),
        ),
        **refusals("/"),
    },
}

OPENAPI: Final[Block] = {
    "operationId": "openapi",
    "tags": SERVICE,
    "summary": "Give this document",
    "parameters": [IF_NONE_MATCH],
    "responses": {
        "200": answer(
            "The document.",
            {"type": "object", "required": ["openapi", "info", "paths", "components"]},
            "ETag",
            "Cache-Control",
        ),
        "304": answer("The client has it already.", None, "ETag", "Cache-Control"),
        **refusals("/openapi.json"),
    },
}


def _file(path: str, content_type: str) -> Block:
    names = ("ETag", "Cache-Control", "Content-Security-Policy")
    name = path.removeprefix("/").translate(str.maketrans("/.", "--"))
    return {
        "operationId": name,
        "tags": SERVICE,
        "summary": "A page to try the routes" if path == "/docs" else "Part of the page at /docs",
        "parameters": [IF_NONE_MATCH],
        "responses": {
            "200": answer("The file.", {}, *names, kind=content_type.partition(";")[0]),
            "304": answer("The client has it already.", None, "ETag", "Cache-Control"),
            **refusals(path),
        },
    }


PATHS: Final[Mapping[str, Block]] = {
    "/signal": {"post": SIGNAL},
    "/list": {"get": LIST},
    "/healthz": {"get": HEALTHZ},
    "/readyz": {"get": READYZ},
    "/": {"get": INDEX},
    "/openapi.json": {"get": OPENAPI},
    "/docs": {"get": _file("/docs", "text/html")},
    **{f"/docs/{name}": {"get": _file(f"/docs/{name}", kind)} for name, kind in TYPES.items()},
}
