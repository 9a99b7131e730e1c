"""The durable functions that are measured, declared as a user would declare them.

Workers get this module by WORKER_FUNCTIONS, gateways its catalog by GATEWAY_CATALOG.
"""

from __future__ import annotations

import json
import time
from typing import Annotated, Any

from msgspec import Meta

from durable_http import Context, Step, Workflow, function

type Count = Annotated[int, Meta(ge=0, le=10_000)]

HOUR = 3600
STEPS = ("reserve", "charge", "pack", "ship", "notify")


@function(default_input={"foo": "bar"})
def foo(step: Step, data: Any) -> dict[str, Any]:
    """Processes the input and returns the time."""
    step.log.debug("processing")
    return {"result": f"Processed: {json.dumps(data)}", "timestamp": time.time()}


@function
def steps(context: Context, count: Count = 3) -> Workflow[int]:
    """Runs so many light steps, one after the other."""
    total = 0
    for number in range(count):
        total = yield context.step(add, total, number)
    return total


@function
def turns(context: Context, count: Count = 10) -> Workflow[int]:
    """Runs a loop of a light step and the shortest sleep."""
    total = 0
    for number in range(count):
        total = yield context.step(add, total, number)
        yield context.sleep(0)
    return total


@function
def nested(context: Context, depth: Count = 10) -> Workflow[int]:
    """Begins a child that begins a child, so many deep."""
    if depth == 0:
        return 0
    below: int = yield context.call(nested, depth - 1)
    return below + 1


@function
def sleeper(context: Context) -> Workflow[None]:
    """Runs a light step and then sleeps for an hour, so that it is pending and no worker has it."""
    yield context.step(add, 0, 1)
    yield context.sleep(HOUR)


@function
def pause(step: Step, seconds: Annotated[float, Meta(ge=0, le=HOUR)] = 1.0) -> float:  # noqa: ARG001
    """Holds a slot for so many seconds."""
    time.sleep(seconds)
    return seconds


@function
def echo(step: Step, data: Any) -> Any:  # noqa: ARG001 - every plain function has its step
    """Returns its input."""
    return data


@function
def checkout(context: Context, pace: Annotated[float, Meta(ge=0, le=HOUR)] = 0.5) -> Workflow[int]:
    """Runs five steps, each of which takes so many seconds."""
    done = 0
    for name in STEPS:
        done += yield context.step(work, pace, name=name)
    return done


def work(step: Step, pace: float) -> int:  # noqa: ARG001 - every step has it
    """Take some time."""
    time.sleep(pace)
    return 1


def add(step: Step, total: int, number: int) -> int:  # noqa: ARG001 - every step has it
    """Add two numbers: a step that costs nothing itself."""
    return total + number
