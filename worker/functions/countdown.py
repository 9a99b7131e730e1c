"""Sleeps between steps for as long as it likes, and reports how far it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from worker.durable.context import Context, Workflow
    from worker.durable.steps import Step

DEFAULT_FROM, DEFAULT_EVERY = 3, 1.0


def countdown(context: Context, given: dict[str, Any] | None) -> Workflow[str]:
    """Count down from `from`, a number every `every` seconds."""
    given = given or {}
    start, every = int(given.get("from", DEFAULT_FROM)), float(given.get("every", DEFAULT_EVERY))
    for number in range(start, 0, -1):
        yield context.step(say, number)
        yield context.progress(start - number + 1, start)
        yield context.sleep(every)
    return "liftoff"


def say(step: Step, number: int) -> int:
    """Tell the log."""
    step.log.info("counting", number=number)
    return number
