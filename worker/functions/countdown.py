"""Sleeps between steps, and reports its progress."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from worker.durable.context import Context, Workflow
    from worker.durable.steps import Step

DEFAULT_FROM, DEFAULT_EVERY = 3, 1.0


def countdown(context: Context, options: dict[str, Any] | None) -> Workflow[str]:
    """Count down from `from`, with a number every `every` seconds."""
    options = options or {}
    start = int(options.get("from", DEFAULT_FROM))
    every = float(options.get("every", DEFAULT_EVERY))
    for number in range(start, 0, -1):
        yield context.step(say, number)
        yield context.progress(start - number + 1, start)
        yield context.sleep(every)
    return "liftoff"


def say(step: Step, number: int) -> int:
    """Log the number."""
    step.log.info("counting", number=number)
    return number
