"""The only way to threads: for blocking calls, and for computing that would hold the loop."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from gateway.errors import DeadlineExceeded, Saturated

if TYPE_CHECKING:
    from collections.abc import Callable

OVERTAKING: Final = 4
"""The oldest call may be overtaken by so many times its own size."""


class BoundedExecutor:
    """Runs blocking calls in `threads` threads, with at most `queue` more calls waiting.

    A call that finds no place is refused at once with `Saturated`, so that a dead server cannot
    pile up calls. No thread can be stopped, so a call whose caller gave up goes on, and its place
    is free only when its thread has finished it.
    """

    def __init__(self, threads: int, queue: int, deadline: float) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="offload")
        self._places = threading.Semaphore(threads + queue)
        self._deadline = deadline
        self._callers = 0

    async def run[T](self, call: Callable[..., T], *arguments: Any) -> T:
        """Return what the call returns, or raise `Saturated`, `DeadlineExceeded` or its error."""
        self._callers += 1
        try:
            return await self._run(call, *arguments)
        finally:
            self._callers -= 1

    async def _run[T](self, call: Callable[..., T], *arguments: Any) -> T:
        if not self._places.acquire(blocking=False):
            raise Saturated("Too many calls are running; try again with the same id.")
        context = contextvars.copy_context()
        try:
            future: Future[T] = self._pool.submit(context.run, call, *arguments)
        except RuntimeError as error:
            self._places.release()
            raise Saturated("This gateway is stopping; try again with the same id.") from error
        future.add_done_callback(self._release)
        outcome = asyncio.wrap_future(future)
        outcome.add_done_callback(_retrieve)
        try:
            async with asyncio.timeout(self._deadline):
                return await asyncio.shield(outcome)
        except asyncio.CancelledError:
            future.cancel()  # does nothing once a thread runs it
            raise
        except TimeoutError as error:
            if future.done() and not future.cancelled():
                return future.result()  # or its own error; the loop was too busy to notice in time
            future.cancel()
            raise DeadlineExceeded(
                "The server took too long; try again with the same id."
            ) from error

    def has_callers(self) -> bool:
        """Return whether anybody waits for a call to return."""
        return self._callers > 0

    def is_full(self) -> bool:
        """Return whether another call would be refused right now."""
        if self._places.acquire(blocking=False):
            self._places.release()
            return False
        return True

    def close(self) -> None:
        """Take no more calls; running ones end by themselves, since each has a deadline."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _release(self, _: Future[Any]) -> None:
        self._places.release()


@dataclass(eq=False)
class _Work:
    """A call that waits for the thread."""

    size: int
    call: Callable[[], Any]
    future: Future[Any] = field(default_factory=Future)


class SerialExecutor:
    """Computes in one thread, one call after the other, the smallest first; no call is refused.

    Calls of equal size go in the order in which they came. Example: eight calls of 1 MB wait, and
    then calls of 0.1 MB come without end. Each of these waits for one large call at most; but after
    each 4 MB of them the oldest of the large ones goes, so that none waits for ever.
    """

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._waiting: list[_Work] = []
        self._overtaken = 0
        self._lock = threading.Lock()

    @property
    def waiting(self) -> int:
        """How many calls wait for the one that is computed."""
        return len(self._waiting)

    async def run[T](self, call: Callable[..., T], *arguments: Any, size: int = 0) -> T:
        """Return what the call returns, or raise its error."""
        work = _Work(size, partial(contextvars.copy_context().run, call, *arguments))
        with self._lock:
            self._waiting.append(work)
        try:
            self._pool.submit(self._compute_next)
            outcome: T = await asyncio.wrap_future(work.future)
            return outcome
        finally:
            with self._lock, contextlib.suppress(ValueError):
                self._waiting.remove(work)

    def close(self) -> None:
        """Compute no call that has not begun."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            for work in self._waiting:
                work.future.cancel()

    def _compute_next(self) -> None:
        with self._lock:
            work = self._take()
        if work is None or not work.future.set_running_or_notify_cancel():
            return
        try:
            result = work.call()
        except BaseException as error:  # noqa: BLE001 - handed to the caller
            work.future.set_exception(error)
        else:
            work.future.set_result(result)

    def _take(self) -> _Work | None:
        if not self._waiting:
            return None  # its caller has given up
        oldest = self._waiting[0]
        work = min(self._waiting, key=lambda each: each.size)
        if work is oldest or self._overtaken >= OVERTAKING * oldest.size:
            work, self._overtaken = oldest, 0
        else:
            self._overtaken += work.size
        self._waiting.remove(work)
        return work


def _retrieve(outcome: asyncio.Future[Any]) -> None:
    """Take the error of an outcome that nobody waits for; asyncio would log a complaint."""
    if not outcome.cancelled():
        outcome.exception()
