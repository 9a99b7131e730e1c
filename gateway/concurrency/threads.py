"""The only way to threads: for blocking calls, and for computing that would hold the loop."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from gateway.errors import DeadlineExceeded, Saturated

if TYPE_CHECKING:
    from collections.abc import Callable


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


class SerialExecutor:
    """Computes in one thread, one call after the other; no call is refused."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._unfinished = 0

    @property
    def waiting(self) -> int:
        """How many calls wait for the one that is computed."""
        return max(0, self._unfinished - 1)

    async def run[T](self, call: Callable[..., T], *arguments: Any) -> T:
        """Return what the call returns, or raise its error."""
        self._unfinished += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, call, *arguments)
        finally:
            self._unfinished -= 1

    def close(self) -> None:
        """Compute no call that has not begun."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _retrieve(outcome: asyncio.Future[Any]) -> None:
    """Take the error of an outcome that nobody waits for; asyncio would log a complaint."""
    if not outcome.cancelled():
        outcome.exception()
