"""Examples in the document: one execution of each kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.openapi.parts import Block

INPUTS: Final[Mapping[str, Any]] = {
    "checkout": {"pace": 0.1},
    "approval": {"question": "Ship it?", "within": "15m"},
    "countdown": {"from": 3, "every": 1},
}
"""Example inputs; other functions show their default input."""

CREATED, STARTED, ENDED, DEADLINE = (
    "2026-11-24T01:30:00.000Z",
    "2026-11-24T01:30:00.050Z",
    "2026-11-24T01:30:00.060Z",
    "2026-11-25T01:30:00.000Z",
)

RESULT: Final = {"result": 'Processed: {"foo": "bar"}', "timestamp": 1795483800.05}
"""The result of `foo` for its default input."""

FAILURE: Final = {
    "type": "Declined",
    "message": "ship was declined",
    "step": "ship",
    "attempts": 1,
}

CANCELLATION: Final = {"type": "Canceled", "message": "The execution was canceled."}
TIMED_OUT: Final = {
    "type": "TimedOut",
    "message": "The execution did not end within its timeout.",
}

SEEN: Final = {"created_at": CREATED, "completed_at": ENDED, "timeout_at": DEADLINE}

RESOLVED: Final = {
    "status": "resolved",
    "promise_id": "job-1",
    "done": True,
    "result": RESULT,
    "function": "foo",
    "version": 1,
    **SEEN,
}


def begun(status: str, **outcome: Any) -> Block:
    """Return an example of an answer of /begin; `outcome` is a result or an error."""
    return {
        "promise": "job-1",
        "status": status,
        "wait": "/wait?id=job-1",
        "created": status == "pending",
        "done": status != "pending",
        "function": "foo",
        "version": 1,
        "timeout_at": DEADLINE,
        **outcome,
        "links": {"events": "/events?id=job-1", "cancel": "/cancel?id=job-1"},
    }


PENDING: Final = {
    "status": "pending",
    "promise_id": "job-1",
    "done": False,
    "function": "approval",
    "version": 1,
    "created_at": CREATED,
    "timeout_at": DEADLINE,
    "phase": "waiting",
    "worker": "worker-1",
    "attempt": 1,
    "waiting_for": [{"name": "approval", "since": STARTED}],
}

RETRYING: Final = {
    "status": "pending",
    "promise_id": "job-1",
    "done": False,
    "function": "checkout",
    "version": 1,
    "created_at": CREATED,
    "timeout_at": DEADLINE,
    "phase": "retrying",
    "worker": "worker-1",
    "attempt": 1,
    "tries": 3,
    "last_error": {"type": "TimeoutError", "message": "no answer in 5 s", "step": "charge"},
    "next_try_at": "2026-11-24T01:30:20.000Z",
}

BLOCKED: Final = {
    "status": "pending",
    "promise_id": "job-1",
    "done": False,
    "function": "checkout",
    "version": 1,
    "created_at": CREATED,
    "timeout_at": DEADLINE,
    "phase": "blocked",
    "worker": "worker-2",
    "attempt": 1,
    "blocked": {
        "expected": "step reserve",
        "found": "step quote",
        "worker": "worker-2",
        "version": 1,
    },
}

REJECTED: Final = {
    "status": "rejected",
    "promise_id": "job-1",
    "done": True,
    "error": FAILURE,
    "function": "checkout",
    "version": 1,
    **SEEN,
}

CANCELED: Final = {
    "status": "canceled",
    "promise_id": "job-1",
    "done": True,
    "error": CANCELLATION,
    "function": "approval",
    "version": 1,
    **SEEN,
}

TIMEDOUT: Final = {**CANCELED, "status": "timedout", "error": TIMED_OUT}

ITEM: Final = {
    "id": "job-1",
    "function": "foo",
    "version": 1,
    "status": "resolved",
    "phase": None,
    "worker": None,
    "attempt": None,
    "created_at": CREATED,
    "completed_at": ENDED,
}

DELIVERED: Final = {
    "promise_id": "job-1",
    "signal": "approval",
    "delivered": True,
    "number": 1,
    "waiting": 0,
}
