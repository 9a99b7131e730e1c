"""A worker whose functions tidy up at their end: `python -m tests.support.worker.tidying`."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from durable_http import Context, Step, Workflow
from tests.support.worker.program import declare, serve


def tidy_after_waits(context: Context, path: str) -> Workflow[str]:
    """Sleep, wait for a child and for the signal `go`; a `finally` leaves a line in the file."""
    try:
        yield context.sleep(0.1)
        yield context.call("part", {"number": 1, "pace": 0})
        yield context.signal("go", timeout=60)
    finally:
        with Path(path).open("a") as file:
            file.write(f"{threading.current_thread().name}\n")
    return "done"


def hang_when_set_aside(context: Context, _: Any) -> Workflow[None]:
    """Sleep for long; a `finally` does not come to its end."""
    try:
        yield context.sleep(60)
    finally:
        time.sleep(3600)


def note(path: str, line: str) -> None:
    """Leave a line in the file."""
    with Path(path).open("a") as file:
        file.write(f"{line}\n")


@contextmanager
def noted(path: str) -> Iterator[None]:
    """Leave a line when the `with` block ends."""
    try:
        yield
    finally:
        note(path, "with")


def until_canceled(step: Step) -> None:
    """Run until nobody waits for the result."""
    while not step.canceled():
        time.sleep(0.01)


def nothing(_: Step) -> None:
    """Stand for the work of a step."""


def undo_after_step(context: Context, path: str) -> Workflow[None]:
    """Run a long step; each block around it leaves a line, and asks for a step."""
    try:
        with noted(path):
            yield context.step(until_canceled, name="long")
    except Exception:
        note(path, "except")
        yield context.step(nothing, name="compensate")
        raise
    finally:
        note(path, "finally")
        yield context.step(nothing, name="tidy")


def undo_after_wait(context: Context, path: str) -> Workflow[None]:
    """Wait for the signal `go`; each block around it leaves a line, and asks for a step."""
    try:
        with noted(path):
            yield context.signal("go", timeout=60)
    except Exception:
        note(path, "except")
        yield context.step(nothing, name="compensate")
        raise
    finally:
        note(path, "finally")
        yield context.step(nothing, name="tidy")


FUNCTIONS = (tidy_after_waits, hang_when_set_aside, undo_after_step, undo_after_wait)

declare({each.__name__: each for each in FUNCTIONS})

if __name__ == "__main__":
    serve("tests.support.worker.tidying")
