"""The code of the functions in `catalog.py`."""

import json
import time
from collections.abc import Callable
from typing import Any, Final

from durable_http import Context, NonRetryableError, Step, StepFailed, TimedOut, Workflow
from shared.durations import parse
from tests.support.worker.program import declare

type Input = dict[str, Any] | None

UNDO: Final = {"reserve": "release", "charge": "refund", "pack": "unpack", "ship": "recall"}
"""The step that takes back a step of `checkout`."""


class Declined(NonRetryableError):
    """A step of `checkout` fails for good."""


def foo(_: Step, data: Any) -> dict[str, Any]:
    """Return the input as text, and the time in seconds since the epoch."""
    return {"result": f"Processed: {json.dumps(data)}", "timestamp": time.time()}


def checkout(context: Context, given: Input) -> Workflow[dict[str, Any]]:
    """Return a receipt of each step; `fail` names the step that fails for good."""
    given = given or {}
    pace, fail = float(given.get("pace", 1.0)), given.get("fail")
    receipts: dict[str, str] = {}
    try:
        for name in (*UNDO, "notify"):
            receipts[name] = yield context.step(_call_service, pace, fail, name=name)
    except StepFailed:
        for name in reversed(receipts):
            yield context.step(_take_back, receipts[name], name=UNDO[name])
        raise
    return {"order": context.id, "receipts": receipts}


def _call_service(step: Step, pace: float, fail: str | None) -> str:
    time.sleep(pace)
    if step.name == fail:
        raise Declined(f"{step.name} was declined")
    return f"{step.name}-{step.idempotency_key}"


def _take_back(step: Step, receipt: str) -> str:
    return f"{step.name} {receipt}"


def approval(context: Context, given: Input) -> Workflow[dict[str, Any]]:
    """Run a step, wait for the signal `approval`, and return its value, if it came in time."""
    given = given or {}
    within = parse(str(given.get("within", "60s")))
    yield context.step(_echo, given.get("question"), name="ask")
    try:
        answer = yield context.signal("approval", timeout=within)
    except TimedOut:
        return {"answered": False, "answer": None}
    return {"answered": True, "answer": answer}


def countdown(context: Context, given: Input) -> Workflow[str]:
    """Count down from `from`, a number every `every` seconds."""
    given = given or {}
    start, every = int(given.get("from", 3)), float(given.get("every", 1.0))
    for number in range(start, 0, -1):
        yield context.step(_echo, number, name="say")
        yield context.progress(start - number + 1, start)
        yield context.sleep(every)
    return "liftoff"


def _echo(_: Step, value: Any) -> Any:
    return value


def fanout(context: Context, given: Input) -> Workflow[dict[str, Any]]:
    """Begin all parts, wait for each, and return their results in order."""
    given = given or {}
    parts, pace = int(given.get("parts", 10)), given.get("pace", 0.5)
    children = []
    for number in range(1, parts + 1):
        child = yield context.begin("part", {"number": number, "pace": pace})
        children.append(child)
    done: list[dict[str, Any]] = []
    for child in children:
        done.append((yield child))
        yield context.progress(len(done), parts)
    return {"parts": done}


def part(step: Step, given: Input) -> dict[str, Any]:
    """Take `pace` seconds; return the part's number and the worker that did it."""
    given = given or {}
    time.sleep(float(given.get("pace", 0)))
    return {"number": given.get("number"), "worker": step.worker}


FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "foo": foo,
    "checkout": checkout,
    "approval": approval,
    "countdown": countdown,
    "fanout": fanout,
    "part": part,
}

declare(FUNCTIONS)
