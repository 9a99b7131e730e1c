"""Searches for executions, which leave the server's time to other calls."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from cachetools import TTLCache

from gateway.backend.id_sample import KEPT_SECONDS, WILDCARD, LatestSample

if TYPE_CHECKING:
    from gateway.backend.ask import Ask
    from gateway.backend.calls import Calls
    from gateway.model.execution import Execution

type Page = tuple[list[Execution], int | None]

EVERYTHING: Final = "*"
"""The pattern of a search that reads rows, newest first, until its page is full."""

LONG_SECONDS: Final = 0.2
"""Seconds of a search by prefix after which it is not made again for a while. The sample does not
see how many steps an execution has, whose ids have the same prefix."""

LONG_PATTERNS: Final = 1_000


class Searches:
    """Searches the store, with calls by `ask`, which makes one at a time.

    All methods raise `BackendUnavailable` if the server gives no usable answer.
    """

    def __init__(self, calls: Calls, ask: Ask) -> None:
        self._calls = calls
        self._ask = ask
        self._long: TTLCache[str, bool] = TTLCache(LONG_PATTERNS, KEPT_SECONDS)
        self._sample = LatestSample(lambda: ask(calls.sample_ids))

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

    async def newest_number(self) -> int:
        """Return the number that the store gave its newest promise; 0 if it has none.

        PostgreSQL has `shared.resonate.cursors.HIGHEST` numbers for all promises that ever are.
        """
        return await self._ask(self._calls.newest_number)

    async def with_activity(self, execution: Execution) -> Execution:
        """Return a pending execution with its activity, or as it is if it has ended meanwhile."""
        return await self._ask(self._calls.with_activity, execution)


def _indexed(pattern: str) -> str:
    """Return the part of a pattern that is looked up in the server's index, which ignores case."""
    return pattern.removesuffix("*").partition(WILDCARD)[0].lower()
