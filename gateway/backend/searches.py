"""Searches for executions, which leave the server's time to other calls."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from cachetools import TTLCache

from gateway.backend.id_sample import KEPT_SECONDS, WILDCARD, LatestSample
from gateway.concurrency.paced_executor import PacedExecutor

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from gateway.backend.calls import Calls
    from gateway.model.execution import Execution

QUEUED: Final = 64
"""Searches that wait for their turn: the server has one thread for its store, for all calls."""


type Page = tuple[list[Execution], int | None]

EVERYTHING: Final = "*"
"""The pattern of a search that reads rows, newest first, until its page is full."""

LONG_SECONDS: Final = 0.2
"""Seconds of a search by prefix after which it is not made again for a while. The sample does not
see how many steps an execution has, whose ids have the same prefix."""

LONG_PATTERNS: Final = 1_000


class Ask(Protocol):
    """Runs a blocking call in an executor. Raises `BackendUnavailable`."""

    def __call__[T](
        self, call: Callable[..., T], *arguments: Any, executor: PacedExecutor
    ) -> Coroutine[Any, Any, T]:
        """Return what the call returns."""
        ...


class Searches:
    """Searches one at a time, with rests between them while `others_work`.

    All methods raise `BackendUnavailable` if the server gives no usable answer.
    """

    def __init__(
        self, calls: Calls, ask: Ask, deadline: float, others_work: Callable[[], bool]
    ) -> None:
        self._calls = calls
        self._executor = PacedExecutor(QUEUED, deadline, others_work)
        self._ask = partial(ask, executor=self._executor)
        self._long: TTLCache[str, bool] = TTLCache(LONG_PATTERNS, KEPT_SECONDS)
        self._sample = LatestSample(lambda: self._ask(calls.sample_ids))

    async def page(self, pattern: str, limit: int, after: int | None) -> Page:
        """Return a page of executions, newest first, and the position of its last one.

        The same search with the position as `after` continues it.
        """
        page, seconds = await self._ask(self._timed, pattern, limit, after)
        if pattern != EVERYTHING and seconds > LONG_SECONDS:
            self._long[_indexed(pattern)] = True
        return page

    def _timed(self, pattern: str, limit: int, after: int | None) -> tuple[Page, float]:
        began = time.monotonic()
        return self._calls.search(pattern, limit, after), time.monotonic() - began

    async def pattern_of(self, prefix: str) -> str:
        """Return the pattern of a search that finds all executions with a prefix, and others.

        A search by a prefix that many ids have would read them all, so it is one for everything.
        """
        pattern = f"{prefix}*"
        if pattern == EVERYTHING or _indexed(pattern) in self._long:
            return EVERYTHING
        return pattern if (await self._sample.get()).has_few(prefix) else EVERYTHING

    async def with_activity(self, execution: Execution) -> Execution:
        """Return a pending execution with its activity, or as it is if it has ended meanwhile."""
        return await self._ask(self._calls.with_activity, execution)

    def close(self) -> None:
        """Take no more searches."""
        self._executor.close()


def _indexed(pattern: str) -> str:
    """Return the part of a pattern that is looked up in the server's index, which ignores case."""
    return pattern.removesuffix("*").partition(WILDCARD)[0].lower()
