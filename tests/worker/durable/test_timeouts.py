"""Calls with a time limit: they return, raise or go on alone."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import TYPE_CHECKING, Any

import pytest

from durable_http import StepTimeout
from tests.support.processes import wait_until
from worker.durable.timeouts import call_within as timed_call
from worker.tasks.claims import Claim
from worker.user_calls import UserCall, UserCalls

if TYPE_CHECKING:
    from collections.abc import Callable

CALLER: contextvars.ContextVar[str] = contextvars.ContextVar("CALLER", default="nobody")

CALLS = UserCalls()


def call_within(seconds: float, function: Callable[..., Any], *arguments: object) -> Any:
    """Make a call of a step, counted in `CALLS`."""
    call = UserCall(Claim("__invoke:job", 1, "job"), "work")
    return timed_call(seconds, CALLS, call, function, *arguments)


def fail(error: BaseException) -> None:
    """Raise the error."""
    raise error


def test_a_call_in_time_is_a_call() -> None:
    """Within its limit, the call gets its arguments and its result is returned."""
    assert call_within(5.0, divmod, 7, 2) == (3, 1)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no"),
        TimeoutError("its own"),
        SystemExit(3),
        StepTimeout("inner"),
        KeyboardInterrupt(),
        asyncio.CancelledError(),
        GeneratorExit(),
    ],
)
def test_an_error_reaches_the_caller(error: BaseException) -> None:
    """The function's error reaches the caller unchanged, even if it is a timeout."""
    with pytest.raises(type(error)) as caught:
        call_within(5.0, fail, error)

    assert caught.value is error


def test_a_call_sees_the_callers_context() -> None:
    """Context variables of the caller, which its log lines carry, are set in the call."""
    token = CALLER.set("somebody")
    try:
        assert call_within(5.0, CALLER.get) == "somebody"
    finally:
        CALLER.reset(token)


@pytest.mark.parametrize(
    ("seconds", "message"), [(0.02, "not done within 0.02 s"), (0.0, "not done within 0 s")]
)
def test_a_call_out_of_time_goes_on_alone(seconds: float, message: str) -> None:
    """The caller goes on after the limit; the call's later outcome has no effect."""
    go, ended = threading.Event(), threading.Event()
    thread: list[threading.Thread] = []

    def slow() -> None:
        thread.append(threading.current_thread())
        assert go.wait(10)
        ended.set()
        raise ValueError("nobody hears it")

    with pytest.raises(StepTimeout) as caught:
        call_within(seconds, slow)

    wait_until(lambda: thread, what="the call")
    assert str(caught.value) == message
    assert (thread[0].name, thread[0].daemon, ended.is_set()) == ("left-behind", True, False)
    counted = CALLS.left_behind()
    go.set()
    thread[0].join(5)
    assert (counted, CALLS.left_behind()) == (1, 0)
    assert (ended.is_set(), thread[0].is_alive()) == (True, False)
