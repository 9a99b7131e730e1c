"""The way to threads for blocking calls; `serial_executor.py` is the one for computing."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from gateway.concurrency.call_queue import CallQueue
from gateway.errors import DeadlineExceeded, Saturated

if TYPE_CHECKING:
    from collections.abc import Callable

LOOK_SECONDS: Final = 0.05
"""Seconds between two looks at calls whose callers have given up."""

FULL: Final = "Too many calls are running; try again with the same id."
STOPPING: Final = "This gateway is stopping; try again with the same id."
TOO_LONG: Final = "The server took too long; try again with the same id."


class _Call:
    """A call that a thread takes and makes, unless its caller takes it back before."""

    __slots__ = ("_call", "_context", "_taken", "error", "future", "is_over", "result")

    def __init__(self, call: Callable[[], Any], future: asyncio.Future[Any]) -> None:
        self._call: Callable[[], Any] | None = call
        self._context = contextvars.copy_context()
        self._taken = threading.Lock()
        self.future = future
        self.result: Any = None
        self.error: BaseException | None = None
        self.is_over = False

    def take(self) -> Callable[[], Any] | None:
        """Return the call to the first who asks for it, None to all others."""
        if not self._taken.acquire(blocking=False):
            return None
        call, self._call = self._call, None
        return call

    def make(self, call: Callable[[], Any]) -> None:
        """Make the call and keep its outcome."""
        try:
            self.result = self._context.run(call)
        except BaseException as error:  # noqa: BLE001 - handed to the caller
            self.error = error

    def deliver(self) -> None:
        """Give the caller the outcome, if it still waits."""
        error, self.error = self.error, None  # it refers to this call through its traceback
        if self.future.done():
            return
        if error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(error)


class Load(NamedTuple):
    """How many calls of an executor run in threads, and how many wait for one."""

    running: int
    waiting: int


class BoundedExecutor:
    """Runs blocking calls in `threads` threads, with at most `queue` more calls waiting.

    A call that finds no place is refused at once with `Saturated`, so that a dead server cannot
    pile up calls. No thread can be stopped, so a call whose caller gave up goes on, and its place
    is free only when its thread has finished it.

    The threads take calls from one queue, and wake the loop once for all that have ended since it
    was last awake. Executors of the standard library do more for each call than a call costs.
    """

    def __init__(self, threads: int, queue: int, deadline: float) -> None:
        self._threads_left = threads
        self._places = self._free = threads + queue
        self._deadline = deadline
        self._callers = 0
        self._is_closed = False
        self._threads: list[threading.Thread] = []
        self._waiting: CallQueue[_Call] = CallQueue()
        self._ended: deque[_Call] = deque()
        self._given_up: set[_Call] = set()
        self._is_waking = False

    async def run[T](self, call: Callable[..., T], *arguments: Any) -> T:
        """Return what the call returns, or raise `Saturated`, `DeadlineExceeded` or its error."""
        loop = asyncio.get_running_loop()
        made = self._enter(_Call(partial(call, *arguments), loop.create_future()))
        timer = loop.call_later(self._deadline, self._expire, made)
        self._callers += 1
        try:
            outcome: T = await made.future
            return outcome
        finally:
            self._callers -= 1
            timer.cancel()
            self._leave(made)
            del made  # the traceback of an error would keep it, and be kept by it

    async def given_up_ended(self) -> None:
        """Return once no thread makes a call any more whose caller has given up before now."""
        made = set(self._given_up)
        while made & self._given_up:  # noqa: ASYNC110 - rare
            await asyncio.sleep(LOOK_SECONDS)

    def has_callers(self) -> bool:
        """Return whether anybody waits for a call to return."""
        return self._callers > 0

    def is_full(self) -> bool:
        """Return whether another call would be refused right now."""
        return self._free == 0

    @property
    def load(self) -> Load:
        """How many calls run and wait, roughly: threads change both meanwhile."""
        waiting = len(self._waiting)
        unfinished = self._places - self._free - len(self._ended)
        return Load(max(0, min(unfinished - waiting, len(self._threads))), waiting)

    def close(self) -> None:
        """Take no more calls; running ones end by themselves, since each has a deadline."""
        self._is_closed = True
        for waiting in self._waiting.close(len(self._threads)):
            if waiting.take() and not waiting.future.done():
                waiting.future.set_exception(Saturated(STOPPING))

    def _enter(self, call: _Call) -> _Call:
        """Give a call a place, and a new thread if there are fewer than calls."""
        if self._is_closed:
            raise Saturated(STOPPING)
        if not self._free:
            raise Saturated(FULL)
        if self._threads_left and len(self._threads) <= self._places - self._free:
            self._start_thread()
        self._free -= 1
        self._waiting.put(call)
        return call

    def _start_thread(self) -> None:
        thread = threading.Thread(None, self._work, f"offload_{len(self._threads)}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # the machine allows no further thread now
            if not self._threads:
                raise Saturated(FULL) from error
            return
        self._threads_left -= 1
        self._threads.append(thread)

    def _leave(self, call: _Call) -> None:
        """Take back a call that no thread has taken, and take note of an error nobody sees."""
        if call.take():
            self._free += 1
        elif not call.is_over:
            self._given_up.add(call)
        if call.future.done() and not call.future.cancelled():
            call.future.exception()  # asyncio would complain if the caller was cancelled meanwhile

    def _expire(self, call: _Call) -> None:
        self._deliver()  # it may have ended in time, and the loop was too busy to notice
        if not call.future.done():
            call.future.set_exception(DeadlineExceeded(TOO_LONG))

    def _deliver(self) -> None:
        """Give their callers the outcomes of the calls that have ended."""
        self._is_waking = False  # before the look, so that a call that ends after it wakes again
        while self._ended:
            call = self._ended.popleft()
            self._free += 1
            call.is_over = True
            self._given_up.discard(call)
            call.deliver()

    def _work(self) -> None:
        """Make calls, in a thread, until the executor is closed."""
        for waiting in self._waiting.take():
            call = waiting.take()
            if call is not None:
                waiting.make(call)
                self._ended.append(waiting)
                if not self._is_waking:
                    self._is_waking = True
                    with contextlib.suppress(RuntimeError):  # the loop is closed
                        waiting.future.get_loop().call_soon_threadsafe(self._deliver)
            del waiting, call  # what they refer to would live until the next call
