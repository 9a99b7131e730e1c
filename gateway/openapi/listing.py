"""The operation of GET /list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.api.listing import DEFAULT_LIMIT, MAX_LIMIT, PageBody
from gateway.api.parameters import known_functions
from gateway.model.fields import PHASES
from gateway.openapi.parts import (
    EXECUTIONS,
    answer,
    error_responses,
    function_example,
    problem,
    query,
)
from gateway.openapi.samples import ITEM
from gateway.openapi.schemas import schema_of
from gateway.openapi.struct_schemas import ref
from shared.catalog import LARGEST_VERSION

if TYPE_CHECKING:
    from gateway.openapi.parts import Block
    from shared.catalog import Catalog


def paths(catalog: Catalog) -> dict[str, Block]:
    """Return the path of the list, of a gateway that serves this catalog."""
    operation = {
        "operationId": "list",
        "tags": EXECUTIONS,
        "summary": "List executions, newest first",
        "description": (
            "A page may be shorter than `limit`, or empty, and still have a `next_cursor`."
            " `version` is null where an older release has stored an execution with a large input."
            " Of pending executions `phase`, `worker` and `attempt` are null where they could not"
            " be read in"
            " time; of others they always are."
        ),
        "parameters": _parameters(catalog),
        "responses": {
            "200": answer(
                "A page.",
                schema_of(PageBody),
                "Cache-Control",
                examples={"last": {"items": [ITEM], "next_cursor": None}},
            ),
            **error_responses(
                "/list",
                problem("/list", "invalid-request", detail=f"limit must be 1 to {MAX_LIMIT}."),
                problem("/list", "unknown-function", detail=known_functions(catalog)),
                "backend-unavailable",
            ),
        },
    }
    return {"/list": {"get": operation}}


def _parameters(catalog: Catalog) -> list[Block]:
    return [
        query("status", "Only executions with this status.", ref("status"), example="resolved"),
        query(
            "phase",
            "Only pending executions in this phase, and those whose phase could not be read in"
            " time; a 400 with another `status` than `pending`.",
            {"enum": list(PHASES)},
            example="blocked",
        ),
        query(
            "function",
            "Only executions of this function.",
            ref("function"),
            **function_example(catalog),
        ),
        query(
            "version",
            "Only executions of this version of `function`, without which this is a 400.",
            {"type": "integer", "minimum": 1, "maximum": LARGEST_VERSION},
        ),
        query(
            "prefix",
            "Only ids with this prefix (case-sensitive); empty for all.",
            {"type": "string", "pattern": "^[A-Za-z0-9_-]{0,128}$"},
            example="job-",
        ),
        query(
            "limit",
            "The largest number of items on a page.",
            {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
            example=10,
        ),
        query(
            "cursor",
            "The `next_cursor` of the page before, with the same status, phase, function, version"
            " and prefix.",
            {"type": "string"},
        ),
    ]
