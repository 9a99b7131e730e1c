"""Calls with a time limit: they return, raise or go on alone."""

from __future__ import annotations

import contextvars
import threading
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import wait_until
from worker.durable.timeouts import call_within, overdue_threads
from worker.errors import StepTimeout

if TYPE_CHECKING:
    from collections.abc import Callable

CALLER: contextvars.ContextVar[str] = contextvars.ContextVar("CALLER", default="nobody")


def fail(error: BaseException) -> None:
    """Raise the error."""
    raise error


@pytest.mark.parametrize("seconds", [None, 5.0])
def test_a_call_in_time_is_a_call(seconds: float | None) -> None:
    """With or without a limit, the call gets its arguments and its result is returned."""
    assert call_within(seconds, divmod, 7, 2) == (3, 1)


@pytest.mark.parametrize("seconds", [None, 5.0])
@pytest.mark.parametrize(
    "error", [ValueError("no"), TimeoutError("its own"), SystemExit(3), StepTimeout("inner")]
)
def test_an_error_reaches_the_caller(seconds: float | None, error: BaseException) -> None:
    """The function's error reaches the caller unchanged, even if it is a timeout."""
    with pytest.raises(type(error)) as caught:
        call_within(seconds, fail, error)

    assert caught.value is error


@pytest.mark.parametrize("seconds", [None, 5.0])
def test_a_call_sees_the_callers_context(seconds: float | None) -> None:
    """Context variables of the caller, which its log lines carry, are set in the call."""
    token = CALLER.set("somebody")
    try:
        assert call_within(seconds, CALLER.get) == "somebody"
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
    assert (thread[0].name, thread[0].daemon, ended.is_set()) == ("overdue", True, False)
    counted = overdue_threads()
    go.set()
    thread[0].join(5)
    assert (counted >= 1, overdue_threads()) == (True, counted - 1)
    assert (ended.is_set(), thread[0].is_alive()) == (True, False)


def test_only_a_limit_costs_a_thread() -> None:
    """Only with a limit does the function run in a thread of its own."""
    where: Callable[[], str] = lambda: threading.current_thread().name  # noqa: E731

    assert call_within(None, where) == threading.current_thread().name
    assert call_within(5.0, where) == "step"
