"""Executions as JSON, the way clients see them."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import orjson
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gateway.model.execution import Activity, Execution, StepState


JSON: Final = "application/json; charset=utf-8"


def json_response(
    body: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return a JSON answer."""
    return web.Response(
        body=orjson.dumps(body),
        status=status,
        headers={"Content-Type": JSON, **(headers or {})},
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


def ending(execution: Execution) -> dict[str, Any]:
    """Return what the last event of an execution tells: how it ended, and with what."""
    return {
        "promise_id": execution.id,
        "status": execution.status,
        "done": execution.done,
        **outcome(execution),
        "completed_at": rfc3339(execution.completed_at) if execution.completed_at else None,
    }


def freshness(execution: Execution) -> dict[str, str]:
    """Return headers that say how long an answer about the execution holds."""
    if execution.done:
        return {"Cache-Control": "private, max-age=86400"}
    return {"Retry-After": "1", "Cache-Control": "no-store"}


@dataclass(frozen=True)
class Body:
    """What is sent, and a tag that is equal for equal bodies only."""

    raw: bytes
    tag: str

    @classmethod
    def of(cls, value: object) -> Body:
        """Make the body of a JSON answer."""
        return cls.of_bytes(orjson.dumps(value))

    @classmethod
    def of_bytes(cls, raw: bytes) -> Body:
        return cls(raw, hashlib.sha256(raw).hexdigest()[:32])


class LastEnd:
    """What /wait says of the execution that was last asked for after its end.

    A crowd that waits for one execution is answered in a row, and so with one body.
    """

    def __init__(self) -> None:
        self._last: tuple[Execution, Body] | None = None

    def body(self, execution: Execution) -> Body:
        if self._last is None or self._last[0] is not execution:
            self._last = execution, Body.of(state(execution, frozenset()))
        return self._last[1]


def tagged(request: web.Request, body: Body, headers: Mapping[str, str]) -> web.Response:
    """Return an answer with its `ETag`, or a 304 to a client that has it already.

    It is JSON if `headers` have no other `Content-Type`.
    """
    headers = {"Content-Type": JSON, **headers, "ETag": f'"{body.tag}"'}
    wanted = request.if_none_match or ()
    if any(known.value in {body.tag, "*"} for known in wanted):
        del headers["Content-Type"]
        return web.Response(status=304, headers=headers)
    return web.Response(body=body.raw, headers=headers)


def item(execution: Execution) -> dict[str, Any]:
    """Return an execution as a row of /list; who works on it would cost a look-up for each row."""
    return {
        "id": execution.id,
        "function": execution.call.function,
        "status": execution.status,
        "phase": None,
        "worker": None,
        "attempt": None,
        "created_at": rfc3339(execution.created_at),
        "completed_at": rfc3339(execution.completed_at) if execution.completed_at else None,
    }


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
        **_start(execution),
        **outcome(execution),
        "links": {"events": f"/events?id={execution.id}", "cancel": f"/cancel?id={execution.id}"},
    }


def _start(execution: Execution) -> dict[str, str]:
    return {"starts_at": rfc3339(execution.starts_at)} if execution.starts_at else {}


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
        **_start(execution),
        "phase": execution.phase(time.time()),
        "worker": activity and activity.worker,
        "attempt": activity and activity.attempt,
        "recovered_from": activity and activity.recovered_from,
        "waiting_for": _waiting_for(activity),
        "progress": _progress(execution),
    }
    if "input" in include:
        body["input"] = orjson.Fragment(execution.call.input_json)
    if "steps" in include:
        body["steps"] = [step_item(step) for step in execution.steps]
    return {key: value for key, value in body.items() if value is not None}


def _waiting_for(activity: Activity | None) -> list[dict[str, str]] | None:
    if activity is None or not activity.waiting_for:
        return None
    return waits(activity.waiting_for)


def waits(waiting_for: Iterable[tuple[str, int]]) -> list[dict[str, str]]:
    """Return what an execution waits for."""
    return [{"name": name, "since": rfc3339(since)} for name, since in waiting_for]


def _progress(execution: Execution) -> dict[str, Any] | None:
    activity = execution.activity
    if activity is None or activity.progress is None or execution.done:
        return None
    done, total = activity.progress
    return {"done": done, "total": total, "step": activity.step}


def step_item(step: StepState) -> dict[str, Any]:
    """Return a step as /wait and /events show it."""
    return {
        "name": step.name,
        "status": step.status,
        "worker": step.worker,
        "started": rfc3339(step.started),
        "ended": rfc3339(step.ended) if step.ended is not None else None,
    }
