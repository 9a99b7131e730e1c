"""Takes from a dead worker what it held, so that the server offers it to others."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from functools import partial
from typing import TYPE_CHECKING, Final

from gateway.errors import ServiceError
from shared.log import get_logger
from shared.resonate.tasks import Locks, Tasks
from shared.resonate.transport import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Sequence

    from gateway.backend.ask import Ask
    from shared.resonate.transport import Transport

    type Names = Sequence[tuple[str, int]]
    """The tasks and counters of claims or offers."""

RELEASE_THREADS: Final = 8
"""Releases that are made at the same time: a storm of them leaves the server room for others."""

FEW: Final = 2 * RELEASE_THREADS
"""Releases up to which each is a call of its own, which says whether another has the task now."""

MOST_HANDED_BACK: Final = 250
"""Claims and offers that are handed back in one call, which holds the server's store meanwhile."""


class Releases:
    """Releases claims and offers. `name` is a process id of this gateway's own at the server."""

    def __init__(self, transport: Transport, name: str, ask: Ask) -> None:
        self._tasks = Tasks(transport)
        self._locks = Locks(transport)
        self._name = f"{name}-releases"
        self._ask = ask
        self._log = get_logger()

    async def release(self, claims: Names, offers: Names) -> int:
        """Release what a worker held, and return how much of it that worker has no longer.

        The server may have given some of it to others already, which is left to them, and is not
        counted where that is seen. Raises `BackendUnavailable` if the server did not answer for
        some of it.
        """
        names = [*claims, *offers]
        handed_back = await self._hand_back(names) if len(names) > FEW else set()
        calls = self._calls(claims, offers, handed_back)
        lanes = (self._make(calls) for _ in range(RELEASE_THREADS))
        outcomes = await asyncio.gather(*lanes, return_exceptions=True)
        released = len(handed_back)
        released += sum(outcome for outcome in outcomes if isinstance(outcome, int))
        if released:
            with contextlib.suppress(ServiceError):  # the server does so at its next call
                await self._ask(self._tasks.prompt)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        return released

    async def _hand_back(self, names: Names) -> set[str]:
        """Hand tasks back, some of them at a time, so that other calls have their turn in between.

        Returns the tasks with which that was done: none if the store cannot do that.
        """
        handed_back: set[str] = set()
        # Of a task that was claimed more than once the worker can hold the latest claim only.
        latest = dict(sorted(names))
        for part in itertools.batched(latest.items(), MOST_HANDED_BACK, strict=False):
            try:
                can = await self._ask(self._locks.hand_back, dict(part))
            except ServiceError:
                break
            if not can:
                self._log.warning("claims released one by one, the store lacks a trigger")
                break
            handed_back.update(task for task, _ in part)
        return handed_back

    async def _make(self, calls: Iterator[Callable[[], bool]]) -> int:
        return sum([await self._ask(call) for call in calls])

    def _calls(
        self, claims: Names, offers: Names, handed_back: Container[str]
    ) -> Iterator[Callable[[], bool]]:
        for names, release in ((claims, self._drop), (offers, self._pass_on)):
            for task, counter in names:
                if task not in handed_back:
                    yield partial(release, task, counter)

    def _drop(self, task: str, counter: int) -> bool:
        try:
            self._tasks.drop(task, counter)
        except Refused:
            return False
        return True

    def _pass_on(self, task: str, counter: int) -> bool:
        """Claim an offer for an instant, so that the server makes it again."""
        try:
            self._tasks.claim_raw(task, counter, self._name, 1)
        except Refused:
            return False
        return True
