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
"""The name of a thread whose call has run out of time."""


def overdue_threads() -> int:
    """Return how many calls go on in this process though their time is over."""
    return sum(thread.name == OVERDUE for thread in threading.enumerate())


def call_within[T](seconds: float | None, function: Callable[..., T], *arguments: Any) -> T:
    """Call the function and return what it returns, or raise `StepTimeout` after so many seconds.

    Python cannot end a thread: a call that ran out of time goes on in its own daemon thread, named
    `overdue`, and what it returns is thrown away.
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
        if outcome.done():  # in the last moment, or by a TimeoutError of its own
            return outcome.result()
        thread.name = OVERDUE
        raise StepTimeout(f"not done within {seconds:g} s") from None
