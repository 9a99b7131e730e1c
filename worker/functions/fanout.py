"""Many parts at the same time: a child execution for each, spread over the workers."""

import time
from typing import Annotated, Any

from msgspec import Meta, Struct

from durable_http import Context, Step, Workflow, function


class Part(Struct, forbid_unknown_fields=True):
    """Which part it is, and the seconds that it takes, for which it holds a slot."""

    number: Annotated[int, Meta(ge=1)] | None = None
    pace: Annotated[float, Meta(ge=0, le=60)] = 0.0


class Options(Struct, forbid_unknown_fields=True):
    """How many parts there are, and the seconds that each takes."""

    parts: Annotated[int, Meta(ge=1, le=100)] = 10
    pace: Annotated[float, Meta(ge=0, le=60)] = 0.5


@function
def part(step: Step, given: Part | None) -> dict[str, Any]:
    """Runs one part of a fanout and returns the name of its worker."""
    given = given or Part()
    time.sleep(given.pace)
    return {"number": given.number, "worker": step.worker}


@function
def fanout(context: Context, options: Options | None) -> Workflow[dict[str, Any]]:
    """Runs its parts as child executions, spread over the workers, and collects the results."""
    options = options or Options()
    children = []
    for number in range(1, options.parts + 1):
        child = yield context.begin(part, Part(number, options.pace))
        children.append(child)
    done: list[dict[str, Any]] = []
    for child in children:
        done.append((yield child))
        yield context.progress(len(done), options.parts)
    return {"parts": done}
