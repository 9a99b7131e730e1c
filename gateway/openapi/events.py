"""The operation of GET /events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.model.timeline import EVENT_ID
from gateway.openapi.parts import EXECUTIONS, ID, answer, error_responses, header

if TYPE_CHECKING:
    from gateway.openapi.parts import Block
    from gateway.openapi.struct_schemas import Schema

STREAM: Final = "text/event-stream"

EVENT: Final[Schema] = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "pattern": f"^{EVENT_ID.pattern}$"},
        "event": {"enum": ["state", "step", "retrying", "progress", "done"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
    "required": ["id", "event", "data"],
    "additionalProperties": False,
}
"""One event; the schema of a stream is the schema of its events."""


def paths() -> dict[str, Block]:
    """Return the path of the events of an execution."""
    operation = {
        "operationId": "events",
        "tags": EXECUTIONS,
        "summary": "Stream the events of an execution",
        "description": (
            "All events from the first: `state`, `step`, `retrying` and `progress`, and at the end"
            " `done`; then the stream ends. The first `state` has the `version`, and one with the"
            " phase `blocked` says why in `blocked`. An event has the same id at every gateway, and"
            " any gateway continues after `Last-Event-ID`. A comment every 15 s keeps the"
            " connection alive."
        ),
        "parameters": [
            ID,
            header(
                "Last-Event-ID",
                "Continue after this event.",
                {"type": "string", "pattern": f"^({EVENT_ID.pattern})?$"},
            ),
        ],
        "responses": {
            "200": answer("The events.", EVENT, "Cache-Control", kind=STREAM),
            "204": answer("The client has had the last event.", None, "Cache-Control"),
            **error_responses(
                "/events",
                *("invalid-request", "unknown-id", "too-many-requests", "backend-unavailable"),
            ),
        },
    }
    return {"/events": {"get": operation}}
