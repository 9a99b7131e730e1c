"""The executor: a bounded number of calls, each with a deadline; late calls keep a slot."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import time
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from gateway.concurrency.threads import BoundedExecutor
from gateway.errors import DeadlineExceeded, Saturated
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

CALLER: contextvars.ContextVar[str] = contextvars.ContextVar("CALLER", default="nobody")


class Call:
    """A blocking call with an event for its begin; it ends when `release` is called."""

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error
        self._go = threading.Event()
        self.begun = threading.Event()
        self.ended = threading.Event()

    def __call__(self) -> str:
        self.begun.set()
        released = self._go.wait(10)
        self.ended.set()
        assert released
        if self._error is not None:
            raise self._error
        return threading.current_thread().name

    def release(self) -> None:
        self._go.set()


@contextmanager
def offload(threads: int, queue: int, deadline: float, *calls: Call) -> Iterator[BoundedExecutor]:
    """Yield an executor; every call is released when the block ends."""
    made = BoundedExecutor(threads, queue, deadline)
    try:
        yield made
    finally:
        for call in calls:
            call.release()
        made.close()


async def seen(event: threading.Event) -> None:
    """Wait until another thread sets the event."""
    assert await asyncio.to_thread(event.wait, 5)


def free_places(made: BoundedExecutor) -> int:
    """Return how many calls would be accepted now."""
    return made._free


async def test_a_call_runs_in_a_thread_of_ours() -> None:
    """The caller gets what the call returned, from a thread that has a name."""
    with offload(1, 0, 5) as made:
        name = await made.run(lambda: threading.current_thread().name)

    assert name.startswith("offload")


async def test_arguments_are_passed_on() -> None:
    """Arguments reach the call in their order."""
    with offload(1, 0, 5) as made:
        assert await made.run(divmod, 7, 3) == (2, 1)


@pytest.mark.parametrize("error", [ValueError("v"), KeyError("k"), TimeoutError("its own")])
async def test_an_error_is_the_callers(error: Exception) -> None:
    """What the call raises is raised as it is, a timeout of its own included."""
    call = Call(error)
    call.release()
    with offload(1, 0, 5, call) as made:
        with pytest.raises(type(error)) as caught:
            await made.run(call)
        assert free_places(made) == 1

    assert caught.value is error


async def test_the_number_of_calls_is_bounded() -> None:
    """A call beyond threads and queue is refused, and never runs."""
    calls = [Call() for _ in range(3)]
    extra = Call()
    with offload(2, 1, 5, *calls, extra) as made:
        tasks = [asyncio.create_task(made.run(call)) for call in calls]
        await seen(calls[0].begun)
        await seen(calls[1].begun)
        with pytest.raises(Saturated):
            await made.run(extra)
        waited = calls[2].begun.is_set()
        for call in calls:
            call.release()
        names = await asyncio.gather(*tasks)

    assert (waited, extra.begun.is_set()) == (False, False)
    assert len(set(names)) <= 2


async def test_a_place_is_free_again_after_a_call() -> None:
    """Any number of calls succeed when they come one after the other."""
    with offload(1, 0, 5) as made:
        assert [await made.run(int, str(n)) for n in range(50)] == list(range(50))


async def test_a_deadline_ends_the_waiting() -> None:
    """A call that takes too long is given up by its caller, while its thread goes on."""
    call = Call()
    with offload(1, 0, 0.05, call) as made:
        with pytest.raises(DeadlineExceeded):
            await made.run(call)
        went_on = call.begun.is_set() and not call.ended.is_set()

    assert went_on


async def test_a_place_is_kept_until_the_thread_has_ended() -> None:
    """A call that was given up counts until its thread has ended."""
    call = Call()
    with offload(1, 0, 0.05, call) as made:
        with pytest.raises(DeadlineExceeded):
            await made.run(call)
        with pytest.raises(Saturated):
            await made.run(int)
        call.release()
        await asyncio.to_thread(wait_until, lambda: free_places(made) == 1, what="a free place")
        assert await made.run(int, "1") == 1


async def test_a_call_that_waits_too_long_never_runs() -> None:
    """A call whose deadline passes in the queue is removed from the queue."""
    first, second = Call(), Call()
    with offload(1, 1, 0.05, first, second) as made:
        outcomes = await asyncio.gather(made.run(first), made.run(second), return_exceptions=True)
        free = free_places(made)
        first.release()
        await asyncio.to_thread(wait_until, lambda: free_places(made) == 2, what="free places")
        await made.run(int)

    assert [type(outcome) for outcome in outcomes] == [DeadlineExceeded] * 2
    assert free == 1
    assert not second.begun.is_set()


async def test_a_canceled_caller_leaves_the_call_alone() -> None:
    """Canceling the caller neither stops the call nor lets another one in early."""
    call = Call()
    with offload(1, 0, 5, call) as made:
        task = asyncio.create_task(made.run(call))
        await seen(call.begun)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        held = (free_places(made), call.ended.is_set())
        call.release()
        await seen(call.ended)
        await asyncio.to_thread(wait_until, lambda: free_places(made) == 1, what="a free place")

    assert held == (0, False)


@pytest.mark.parametrize("given_up_by", ["deadline", "cancel"])
async def test_nobody_complains_of_a_late_error(given_up_by: str) -> None:
    """An error of a call that was given up is retrieved, so that the loop reports nothing."""
    reports: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, report: reports.append(report))
    call = Call(RuntimeError("too late"))
    with offload(1, 0, 0.05 if given_up_by == "deadline" else 5, call) as made:
        task = asyncio.create_task(made.run(call))
        await seen(call.begun)
        if given_up_by == "cancel":
            task.cancel()
        with pytest.raises((DeadlineExceeded, asyncio.CancelledError)):
            await task
        call.release()
        await asyncio.to_thread(wait_until, lambda: free_places(made) == 1, what="a free place")
        del task
        made._deadline = 60
        # The outcome reaches the loop after the place is free: the next call's comes behind it.
        await made.run(int)
        gc.collect()
        await made.run(int)

    assert reports == []


async def test_the_context_goes_along() -> None:
    """A call sees its caller's context variables, and what it sets does not come back."""

    def call() -> str:
        found = CALLER.get()
        CALLER.set("the thread")
        return found

    async def ask(made: BoundedExecutor, name: str) -> tuple[str, str]:
        CALLER.set(name)
        return await made.run(call), CALLER.get()

    with offload(1, 8, 5) as made:
        found = await asyncio.gather(*(ask(made, name) for name in "abc"))

    assert found == [("a", "a"), ("b", "b"), ("c", "c")]
    assert CALLER.get() == "nobody"


async def test_the_loop_turns_meanwhile() -> None:
    """While a call blocks its thread, the loop runs other coroutines."""
    call = Call()
    with offload(1, 0, 5, call) as made:
        task = asyncio.create_task(made.run(call))
        await seen(call.begun)
        call.release()

        assert (await task).startswith("offload")


async def test_closing_does_not_wait() -> None:
    """Closing does not wait for a running call, whose caller still gets the result."""
    call = Call()
    with offload(1, 0, 5, call) as made:
        task = asyncio.create_task(made.run(call))
        await seen(call.begun)
        made.close()
        still = not call.ended.is_set()
        call.release()

        assert still
        assert (await task).startswith("offload")


async def test_a_call_that_ends_while_the_loop_is_busy_has_ended() -> None:
    """An outcome that came in time counts, even if the loop gets to it after the deadline."""
    executor = BoundedExecutor(1, 1, 0.05)
    call = asyncio.create_task(executor.run(lambda: "done"))
    await asyncio.sleep(0)
    time.sleep(0.2)  # noqa: ASYNC251 - the loop is busy

    assert await call == "done"
    executor.close()


class LateError(Exception):
    """What a call raises when its caller has left. Only errors of own classes can be watched."""


async def test_a_late_error_is_kept_by_nobody() -> None:
    """What a given-up call has raised is freed at once, without a collection of garbage."""
    errors: list[weakref.ref[BaseException]] = []
    late = threading.Event()

    def call() -> None:
        late.wait(10)
        error = LateError()
        errors.append(weakref.ref(error))
        try:
            raise error
        finally:
            del error

    executor = BoundedExecutor(1, 1, 0.05)
    gc.disable()
    try:
        with pytest.raises(DeadlineExceeded):
            await executor.run(call)
        late.set()
        executor._deadline = 60
        for _ in range(3):
            await executor.run(int)
        assert [error() for error in errors] == [None]
    finally:
        gc.enable()
        executor.close()


async def test_a_call_that_was_given_up_is_known_until_its_thread_has_ended_it() -> None:
    """One that no thread has taken is taken back, so nothing comes of it any more."""
    call, queued = Call(), Call()
    with offload(1, 1, 0.1, call, queued) as made:
        for each in (call, queued):
            with pytest.raises(DeadlineExceeded):
                await made.run(each)
        waiting = asyncio.create_task(made.given_up_ended())
        await asyncio.wait([waiting], timeout=0.2)
        assert not waiting.done()
        call.release()
        await asyncio.wait_for(waiting, 5)
        await asyncio.wait_for(made.given_up_ended(), 5)

    assert not queued.begun.is_set()
