"""Calls with a time limit."""

from __future__ import annotations

import contextvars
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final

from worker.errors import StepTimeout

if TYPE_CHECKING:
    from collections.abc import Callable

OVERDUE: Final = "overdue"
"""Name of a thread whose call has exceeded its time limit."""


def overdue_threads() -> int:
    """Return the number of calls in this process that still run after their time limit."""
    return sum(thread.name == OVERDUE for thread in threading.enumerate())


def call_within[T](seconds: float | None, function: Callable[..., T], *arguments: Any) -> T:
    """Call the function and return its result, or raise `StepTimeout` after this many seconds.

    Python cannot end a thread: a call that exceeds its limit goes on in its own daemon thread,
    which is renamed to `overdue`, and its result is thrown away.
    """
    if seconds is None:
        return function(*arguments)
    outcome: Future[T] = Future()
    context = contextvars.copy_context()

    def work() -> None:
        try:
            outcome.set_result(context.run(function, *arguments))
        except BaseException as error:  # noqa: BLE001 - handed to the caller
            outcome.set_exception(error)

    thread = threading.Thread(target=work, name="step", daemon=True)
    thread.start()
    try:
        return outcome.result(seconds)
    except TimeoutError:
        if outcome.done():  # in the last moment, or with its own TimeoutError
            return outcome.result()
        thread.name = OVERDUE
        raise StepTimeout(f"not done within {seconds:g} s") from None
