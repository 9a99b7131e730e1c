"""Waits for a person's answer: a signal with a timeout; no worker is held meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.durations import parse
from worker.errors import TimedOut

if TYPE_CHECKING:
    from worker.durable.context import Context, Workflow
    from worker.durable.steps import Step


def approval(context: Context, request: dict[str, Any] | None) -> Workflow[dict[str, Any]]:
    """Ask, and wait for the signal `approval`; its value, any JSON, is the answer."""
    request = request or {}
    within = parse(str(request.get("within", "60s")))
    yield context.step(ask, str(request.get("question", "May we?")))
    try:
        answer = yield context.signal("approval", timeout=within)
    except TimedOut:
        return {"answered": False, "answer": None}
    return {"answered": True, "answer": answer}


def ask(step: Step, question: str) -> str:
    """Stand in for a message to a person who can answer."""
    step.log.info("asked", question=question)
    return question
