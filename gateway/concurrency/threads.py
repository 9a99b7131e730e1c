"""The one door to threads: for blocking calls, and for what would hold the loop too long."""

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
    """Runs blocking calls in `threads` named threads, with at most `queue` more calls waiting.

    A call that finds no place is refused at once with `Saturated`, so that a dead server cannot
    pile up work. A place is free again when the *thread* is done with it, not when the one who
    waited gives up: his call is not stopped by that, because no thread can be.
    """

    def __init__(self, threads: int, queue: int, deadline: float) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="offload")
        self._places = threading.Semaphore(threads + queue)
        self._deadline = deadline

    async def run[T](self, call: Callable[..., T], *arguments: Any) -> T:
        """Return what the call returns, or raise `Saturated`, `DeadlineExceeded` or its error."""
        if not self._places.acquire(blocking=False):
            raise Saturated("too many calls are under way; try again with the same id")
        context = contextvars.copy_context()
        try:
            future: Future[T] = self._pool.submit(context.run, call, *arguments)
        except RuntimeError as error:
            self._places.release()
            raise Saturated("this gateway is stopping; try again with the same id") from error
        future.add_done_callback(self._release)
        outcome = asyncio.wrap_future(future)
        outcome.add_done_callback(_retrieve)
        try:
            async with asyncio.timeout(self._deadline):
                return await asyncio.shield(outcome)
        except asyncio.CancelledError:
            future.cancel()  # nobody wants it any more; a thread that has it goes on
            raise
        except TimeoutError as error:
            if future.done() and not future.cancelled():
                raise
            future.cancel()
            raise DeadlineExceeded(
                "the server took too long; try again with the same id"
            ) from error

    def is_full(self) -> bool:
        """Tell whether another call would be refused right now."""
        if self._places.acquire(blocking=False):
            self._places.release()
            return False
        return True

    def close(self) -> None:
        """Take no more calls. Those under way end by themselves: each has a deadline of its own."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _release(self, _: Future[Any]) -> None:
        self._places.release()


class SerialExecutor:
    """Computes in a thread, one thing after the other; nobody is refused, and all are served."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._asked = 0

    @property
    def waiting(self) -> int:
        """How many wait behind what is being computed."""
        return max(0, self._asked - 1)

    async def run[T](self, call: Callable[..., T], *arguments: Any) -> T:
        """Return what the call returns, or raise its error."""
        self._asked += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, call, *arguments)
        finally:
            self._asked -= 1

    def close(self) -> None:
        """Compute nothing more than what has begun."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _retrieve(outcome: asyncio.Future[Any]) -> None:
    """Look at an outcome that nobody may wait for any more; asyncio would complain."""
    if not outcome.cancelled():
        outcome.exception()
