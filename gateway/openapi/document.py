"""The OpenAPI 3.1 document, put together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gateway.http.auth import is_open_path
from gateway.http.browsers import HEALTH_PATHS
from gateway.openapi import begin, events, executions, listing, service, signals
from gateway.openapi.parts import HEADERS, error_responses
from gateway.openapi.schemas import schemas

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.inputs.validation import Validation
    from gateway.openapi.parts import Block
    from shared.catalog import Catalog

VERSION: Final = "0.1.0"

ABOUT: Final = """\
Work that takes seconds to days: begin an execution, get its id at once, poll its state with that
id. An execution ends even if processes die, and repeating a request is always safe.

HEAD works where GET does. A method that a path does not take is a 405 `method-not-allowed` with
`Allow`, an unknown path a 404 `not-found`. A repeated or unknown parameter is a 400. Errors are
`application/problem+json` (RFC 9457); `Error-Source: workflow` means that the execution itself
failed. After a 503 it is safe to repeat the request with the same id.
"""


def document(
    catalog: Catalog, validation: Validation, *, secured: bool, webhooks: bool
) -> dict[str, Any]:
    """Return the document of a gateway that serves this catalog, and checks inputs so.

    A `secured` gateway asks for tokens, and one without `webhooks` takes no callback.
    """
    scheme = {"type": "http", "scheme": "bearer", "description": "One of `GATEWAY_TOKENS`."}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "durable-http",
            "version": VERSION,
            "summary": "An async HTTP API with durable execution",
            "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "tags": [
            {"name": "executions", "description": "The work."},
            {"name": "service", "description": "Health and documentation of the service."},
        ],
        "paths": {
            path: {
                method: _operation(path, block, secured=secured, webhooks=webhooks)
                for method, block in methods.items()
            }
            for path, methods in _paths(catalog, validation).items()
        },
        "components": {
            "schemas": schemas(catalog, validation),
            "headers": HEADERS,
            **({"securitySchemes": {"bearer": scheme}} if secured else {}),
        },
    }


def _paths(catalog: Catalog, validation: Validation) -> dict[str, Block]:
    return {
        **begin.paths(catalog, validation),
        **executions.paths(),
        **events.paths(),
        **signals.paths(),
        **listing.paths(catalog),
        **service.paths(),
    }


def _operation(
    path: str, block: Mapping[str, Any], *, secured: bool, webhooks: bool
) -> Mapping[str, Any]:
    """Return an operation as this gateway has it."""
    refused = {}
    if secured and not is_open_path(path):
        refused["401"] = error_responses(path, "unauthorized")["401"]
        block = {**block, "security": [{"bearer": []}]}
    if path not in HEALTH_PATHS:
        refused["403"] = error_responses(path, "forbidden-origin", "forbidden-host")["403"]
    answers = {**block["responses"], **refused}
    block = {**block, "responses": dict(sorted(answers.items()))}
    if not webhooks and "parameters" in block:
        kept = [each for each in block["parameters"] if each["name"] != "callback"]
        block = {**block, "parameters": kept}
    return block
