"""The document, put together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gateway.http.auth import is_open
from gateway.openapi import begin, events, executions, others
from gateway.openapi.parts import HEADERS, refusals
from gateway.openapi.schemas import SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION: Final = "0.1.0"

ABOUT: Final = """\
Work that takes seconds to days: begin an execution, get an id at once, ask for its state with that
id. It ends whatever dies, and repeating a request is always safe.

HEAD works where GET does. A method that a path does not take is a 405 `method-not-allowed` with
`Allow`, and a path that is none a 404 `not-found`. Where there are parameters, one that is repeated
or unknown is a 400. Errors are `application/problem+json` (RFC 9457); `Error-Source` says whether
the gateway or the execution failed. After a 503 it is safe to ask again with the same id.
"""

PATHS: Final[Mapping[str, Any]] = {
    **begin.PATHS,
    **executions.PATHS,
    **events.PATHS,
    **others.PATHS,
}


def document(*, secured: bool, webhooks: bool) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of a gateway.

    One that is `secured` asks for tokens, and one without `webhooks` takes no callback.
    """
    scheme = {"type": "http", "scheme": "bearer", "description": "One of `GATEWAY_TOKENS`."}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "durable-http",
            "version": VERSION,
            "summary": "An async HTTP API whose work is durable",
            "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "tags": [
            {"name": "executions", "description": "The work."},
            {"name": "service", "description": "What the service says of itself."},
        ],
        "paths": {
            path: {
                method: _block(
                    path, block, guarded=secured and not is_open(path), webhooks=webhooks
                )
                for method, block in methods.items()
            }
            for path, methods in PATHS.items()
        },
        "components": {
            "schemas": SCHEMAS,
            "headers": HEADERS,
            **({"securitySchemes": {"bearer": scheme}} if secured else {}),
        },
    }


def _block(
    path: str, block: Mapping[str, Any], *, guarded: bool, webhooks: bool
) -> Mapping[str, Any]:
    """Return an operation as this gateway has it."""
    if guarded:
        answers = {**block["responses"], "401": refusals(path, "unauthorized")["401"]}
        block = {**block, "security": [{"bearer": []}], "responses": dict(sorted(answers.items()))}
    if not webhooks and "parameters" in block:
        kept = [each for each in block["parameters"] if each["name"] != "callback"]
        block = {**block, "parameters": kept}
    return block
