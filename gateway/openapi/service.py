"""The operations of the service itself: health, the index, and its documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.api.functions import FunctionsBody
from gateway.api.health import HealthBody, IndexBody, ReadyBody
from gateway.api.workers import WorkersBody
from gateway.openapi.page import TYPES
from gateway.openapi.parts import IF_NONE_MATCH, answer, error_responses, problem
from gateway.openapi.schemas import schema_of, variant_of
from gateway.openapi.struct_schemas import Variant

if TYPE_CHECKING:
    from gateway.openapi.parts import Block

TAG: Final = ["service"]


def paths() -> dict[str, Block]:
    """Return the paths of the service itself."""
    return {
        "/functions": {"get": _functions()},
        "/workers": {"get": _workers()},
        "/healthz": {"get": _healthz()},
        "/readyz": {"get": _readyz()},
        "/metrics": {"get": _metrics()},
        "/openapi.json": {"get": _openapi()},
        "/docs": {"get": _file("/docs", "text/html")},
        **{f"/docs/{name}": {"get": _file(f"/docs/{name}", kind)} for name, kind in TYPES.items()},
        "/": {"get": _index()},
    }


def _healthy() -> Block:
    schema = variant_of(HealthBody, Variant({"status": {"const": "ok"}}, required=("status",)))
    return answer("Healthy.", schema, "Cache-Control", examples={"ok": {"status": "ok"}})


def _healthz() -> Block:
    return {
        "operationId": "healthz",
        "tags": TAG,
        "summary": "Return whether the process lives",
        "responses": {"200": _healthy(), **error_responses("/healthz")},
    }


def _readyz() -> Block:
    detail = "draining: this gateway is shutting down"
    draining = problem("/readyz", "backend-unavailable", detail=detail)
    return {
        "operationId": "readyz",
        "tags": TAG,
        "summary": "Return whether this gateway should be sent requests",
        "description": (
            "503 while this gateway is shutting down. What may fail at all gateways, as when the"
            " server is away, is a 200 with `degraded`: a gateway then answers requests that need"
            " the server with a 503 and `Retry-After`."
        ),
        "responses": {"200": _ready(), **error_responses("/readyz", draining)},
    }


def _ready() -> Block:
    schema = variant_of(ReadyBody, Variant({}, required=("status",)))
    examples = {
        "ready": {"presence": "on", "status": "ok"},
        "degraded": {
            "presence": "no workers",
            "status": "degraded",
            "detail": "server: it does not answer",
        },
    }
    return answer("May be sent requests.", schema, "Cache-Control", examples=examples)


def _metrics() -> Block:
    found = answer("What was counted.", {"type": "string"}, "Cache-Control", kind="text/plain")
    found["content"]["application/openmetrics-text"] = {"schema": {"type": "string"}}
    return {
        "operationId": "metrics",
        "tags": TAG,
        "summary": "Return metrics for Prometheus",
        "description": "Of all processes of this gateway together, as `Accept` prefers.",
        "responses": {"200": found, **error_responses("/metrics")},
    }


def _workers() -> Block:
    worker = {
        "name": "worker-1",
        "group": "worker",
        "started_at": "2026-11-24T14:24:32.004Z",
        "slots": 16,
        "busy": 1,
        "offers": 0,
        "silent": False,
        "functions": {"foo": [1]},
    }
    return {
        "operationId": "workers",
        "tags": TAG,
        "summary": "List the workers that have a connection to this gateway",
        "responses": {
            "200": answer(
                "Workers, by their names.",
                schema_of(WorkersBody),
                "Cache-Control",
                examples={"one": {"workers": [worker]}},
            ),
            **error_responses("/workers"),
        },
    }


def _functions() -> Block:
    function = {
        "name": "foo",
        "version": 1,
        "versions": [1],
        "summary": "Say hello.",
        "timeout_seconds": None,
        "default_input": {},
        "input_schema": {"type": "object"},
        "signals": [],
    }
    return {
        "operationId": "functions",
        "tags": TAG,
        "summary": "List the functions that can be begun",
        "parameters": [IF_NONE_MATCH],
        "responses": {
            "200": answer(
                "Functions, by their names.",
                schema_of(FunctionsBody),
                *("ETag", "Cache-Control"),
                examples={"one": {"default": "foo", "functions": [function]}},
            ),
            "304": answer("The client's copy is current.", None, "ETag", "Cache-Control"),
            **error_responses("/functions", "overloaded"),
        },
    }


def _index() -> Block:
    link = {"type": "string", "pattern": "^/[a-z.]+$"}
    links = {"type": "object", "additionalProperties": link}
    variant = Variant({"service": {"const": "durable-http"}, "links": links})
    found = answer("Links, or the page.", variant_of(IndexBody, variant))
    found["content"]["text/html"] = {"schema": {}}
    return {
        "operationId": "index",
        "tags": TAG,
        "summary": "List the paths, or show a page to browsers",
        "description": (
            "A client whose `Accept` prefers `text/html` to JSON gets a page that shows what"
            " happens, which needs no token itself."
        ),
        "parameters": [IF_NONE_MATCH],
        "responses": {
            "200": found,
            "304": answer("The client's copy of the page is current.", None, "ETag"),
            **error_responses("/"),
        },
    }


def _openapi() -> Block:
    required = ["openapi", "info", "paths", "components"]
    return {
        "operationId": "openapi",
        "tags": TAG,
        "summary": "Return this document",
        "parameters": [IF_NONE_MATCH],
        "responses": {
            "200": answer(
                "The document.", {"type": "object", "required": required}, "ETag", "Cache-Control"
            ),
            "304": answer("The client's copy is current.", None, "ETag", "Cache-Control"),
            **error_responses("/openapi.json"),
        },
    }


def _file(path: str, content_type: str) -> Block:
    headers = ("ETag", "Cache-Control", "Content-Security-Policy")
    name = path.removeprefix("/").translate(str.maketrans("/.", "--"))
    return {
        "operationId": name,
        "tags": TAG,
        "summary": "A page to try the routes" if path == "/docs" else "A file of the page at /docs",
        "parameters": [IF_NONE_MATCH],
        "responses": {
            "200": answer("The file.", {}, *headers, kind=content_type.partition(";")[0]),
            "304": answer("The client's copy is current.", None, "ETag", "Cache-Control"),
            **error_responses(path),
        },
    }
