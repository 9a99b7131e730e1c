"""Sleeps between steps, and reports its progress."""

from typing import Annotated

from msgspec import Meta, Struct, field

from durable_http import Context, Step, Workflow, function


class Options(Struct, forbid_unknown_fields=True):
    """The number to begin with, and the seconds between two numbers."""

    start: Annotated[int, Meta(ge=0, le=10_000)] = field(default=3, name="from")
    every: Annotated[float, Meta(ge=0, le=86400)] = 1.0


@function
def countdown(context: Context, options: Options | None) -> Workflow[str]:
    """Counts down, sleeping in between, and reports its progress."""
    options = options or Options()
    for number in range(options.start, 0, -1):
        yield context.step(say, number)
        yield context.progress(options.start - number + 1, options.start)
        yield context.sleep(options.every)
    return "liftoff"


def say(step: Step, number: int) -> int:
    """Log the number."""
    step.log.info("counting", number=number)
    return number
