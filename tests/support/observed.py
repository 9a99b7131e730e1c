"""Functions that are observed: `python -m tests.support.observed` serves them."""

from __future__ import annotations

from typing import Any, Final

from durable_http import Context, NonRetryableError, RetryPolicy, Step, Workflow, function
from tests.support.worker.program import serve

SECRET: Final = "kept-to-itself"
"""What is given to the functions, and what they return: no log line and no span may have it."""

QUICK: Final = RetryPolicy(max_attempts=3, initial_interval=0.01)


class Flaky(Exception):
    """The first attempt fails."""


@function()
def flaky(context: Context, value: Any) -> Workflow[Any]:
    """Run a step that fails once, and return what was given."""
    return (yield context.step(_fail_once, value, name="once", retry=QUICK))


def _fail_once(step: Step, value: Any) -> Any:
    if step.attempt == 1:
        raise Flaky("not yet")
    return value


@function()
def refuses(context: Context, value: Any) -> Workflow[Any]:
    """Fail for good, in a step."""
    return (yield context.step(_refuse, value, name="never"))


def _refuse(_: Step, __: Any) -> Any:
    raise NonRetryableError("no")


@function()
def instrumented(context: Context, value: Any) -> Workflow[Any]:
    """Run a step that makes a span of its own."""
    return (yield context.step(_with_span, value, name="outer"))


def _with_span(_: Step, value: Any) -> Any:
    from opentelemetry import trace  # noqa: PLC0415 - only where the worker has imported it

    with trace.get_tracer("user").start_as_current_span("call the bank"):
        return value


if __name__ == "__main__":
    serve("tests.support.observed")
