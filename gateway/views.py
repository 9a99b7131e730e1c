"""Executions as JSON, the way clients see them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.model import Execution, StepState


def json_response(
    body: Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return a JSON answer."""
    return web.Response(
        body=orjson.dumps(body),
        status=status,
        headers={"Content-Type": "application/json; charset=utf-8", **(headers or {})},
    )


def rfc3339(milliseconds: int) -> str:
    """Return a time as clients read it: UTC, to the millisecond."""
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def outcome(execution: Execution) -> dict[str, Any]:
    """Return `result` or `error`, or nothing while there is neither."""
    if execution.result_json is not None:
        return {"result": orjson.Fragment(execution.result_json)}
    if execution.error is not None:
        return {"error": orjson.Fragment(execution.error.encode())}
    return {}


def begun(execution: Execution, *, created: bool) -> dict[str, Any]:
    """Return the body of an answer to /begin."""
    return {
        "promise": execution.id,
        "status": execution.status,
        "wait": f"/wait?id={execution.id}",
        "created": created,
        "done": execution.done,
        "function": execution.call.function,
        "timeout_at": rfc3339(execution.timeout_at),
        **outcome(execution),
    }


def state(execution: Execution, include: frozenset[str]) -> dict[str, Any]:
    """Return the body of an answer to /wait; what is not known is left out."""
    activity = execution.activity
    body = {
        "status": execution.status,
        "promise_id": execution.id,
        "done": execution.done,
        **outcome(execution),
        "function": execution.call.function,
        "created_at": rfc3339(execution.created_at),
        "completed_at": rfc3339(execution.completed_at) if execution.completed_at else None,
        "timeout_at": rfc3339(execution.timeout_at),
        "worker": activity and activity.worker,
        "attempt": activity and activity.attempt,
        "recovered_from": activity and activity.recovered_from,
    }
    if "input" in include:
        body["input"] = orjson.Fragment(execution.call.input_json)
    if "steps" in include:
        body["steps"] = [_step(step) for step in execution.steps]
    return {key: value for key, value in body.items() if value is not None}


def _step(step: StepState) -> dict[str, Any]:
    return {
        "name": step.name,
        "status": step.status,
        "worker": step.worker,
        "started": rfc3339(step.started),
        "ended": rfc3339(step.ended) if step.ended is not None else None,
    }
