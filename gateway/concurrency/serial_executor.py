"""A thread for computing that would hold the loop."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

OVERTAKING: Final = 4
"""The oldest call may be overtaken by so many times its own size."""


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
