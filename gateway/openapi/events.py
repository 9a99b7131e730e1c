"""GET /events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.model.timeline import ID as EVENT_ID
from gateway.openapi.executions import ID, TAG
from gateway.openapi.parts import answer, header, refusals
from gateway.openapi.schemas import closed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.openapi.parts import Block

STREAM: Final = "text/event-stream"

EVENT: Final = closed(
    {
        "id": {"type": "string", "pattern": f"^{EVENT_ID.pattern}$"},
        "event": {"enum": ["state", "step", "progress", "done"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
    }
)
"""One event; the schema of a stream is that of its events."""

EVENTS: Final[Block] = {
    "operationId": "events",
    "tags": TAG,
    "summary": "Tell what happens to an execution, as it happens",
    "description": (
        "From the first event that there was: `state`, `step` and `progress`, and at last `done`,"
        " with which the stream ends. Every gateway gives an event the same id, and goes on behind"
        " the one that `Last-Event-ID` names. A comment every 15 s keeps the connection alive."
    ),
    "parameters": [
        ID,
        header(
            "Last-Event-ID",
            "Go on behind this event.",
            {"type": "string", "pattern": f"^{EVENT_ID.pattern}$"},
        ),
    ],
    "responses": {
        "200": answer("The events.", EVENT, "Cache-Control", kind=STREAM),
        "204": answer("The event was the last.", None, "Cache-Control"),
        **refusals(
            "/events", "invalid-request", "unknown-id", "too-many-requests", "backend-unavailable"
        ),
    },
}

PATHS: Final[Mapping[str, Block]] = {"/events": {"get": EVENTS}}
