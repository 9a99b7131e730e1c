"""Waits for a person's answer: a signal with a timeout; no worker is held meanwhile."""

from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from durable_http import Context, Step, TimedOut, Workflow, function

SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Request(Struct, forbid_unknown_fields=True):
    """A question, and the time for the answer: a number with s, m, h or d."""

    question: Annotated[str, Meta(max_length=1000)] = "May we?"
    within: Annotated[str, Meta(pattern="^[0-9]{1,5}[smhd]$")] = "60s"


@function(signals=["approval"])
def approval(context: Context, request: Request | None) -> Workflow[dict[str, Any]]:
    """Asks a question and waits for the signal `approval`."""
    request = request or Request()
    seconds = int(request.within[:-1]) * SECONDS[request.within[-1]]
    yield context.step(ask, request.question)
    try:
        answer = yield context.signal("approval", timeout=seconds)
    except TimedOut:
        return {"answered": False, "answer": None}
    return {"answered": True, "answer": answer}


def ask(step: Step, question: str) -> str:
    """Stand in for a message to a person who can answer."""
    step.log.info("asked")
    return question
