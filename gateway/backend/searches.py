"""Searches for executions, which leave the server's time to other calls."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from gateway.backend.id_sample import LatestSample
from gateway.concurrency.paced_executor import PacedExecutor

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from gateway.backend.calls import Calls
    from gateway.model.execution import Execution

QUEUED: Final = 64
"""Searches that wait for their turn: the server has one thread for its store, for all calls."""


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
        self._sample = LatestSample(lambda: self._ask(calls.sample_ids))

    async def page(
        self, pattern: str, limit: int, after: int | None
    ) -> tuple[list[Execution], int | None]:
        """Return a page of executions, newest first, and the position of its last one.

        The same search with the position as `after` continues it.
        """
        return await self._ask(self._calls.search, pattern, limit, after)

    async def pattern_of(self, prefix: str) -> str:
        """Return the pattern of a search that finds all executions with a prefix, and others.

        A search by a prefix that many ids have would read them all, so it is one for everything.
        """
        return f"{prefix}*" if not prefix or (await self._sample.get()).has_few(prefix) else "*"

    def close(self) -> None:
        """Take no more searches."""
        self._executor.close()
