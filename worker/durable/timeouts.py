"""Calls with a time limit."""

from __future__ import annotations

import contextvars
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from durable_http.errors import StepTimeout

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.user_calls import UserCall, UserCalls


def call_within[T](
    seconds: float, calls: UserCalls, call: UserCall, function: Callable[..., T], *arguments: Any
) -> T:
    """Call the function and return its result, or raise `StepTimeout` after this many seconds.

    Python cannot end a thread: a call that exceeds its limit goes on in its own daemon thread,
    which is counted as left behind, and its result is thrown away. `call` is counted for it.
    """
    outcome: Future[T] = Future()
    context = contextvars.copy_context()

    def work() -> None:
        try:
            outcome.set_result(context.run(function, *arguments))
        except BaseException as error:  # noqa: BLE001 - handed to the caller
            outcome.set_exception(error)
        finally:
            calls.end(call)

    call.thread = threading.Thread(target=work, name="step", daemon=True)
    calls.begin(call)
    try:
        call.thread.start()
    except RuntimeError:  # no more threads
        calls.end(call)
        raise
    try:
        return outcome.result(seconds)
    except TimeoutError:
        if outcome.done():  # in the last moment, or with its own TimeoutError
            return outcome.result()
        message = f"not done within {seconds:g} s"
        calls.leave(call, message)
        raise StepTimeout(message) from None
