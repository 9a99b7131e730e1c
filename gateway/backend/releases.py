"""Takes from a dead worker what it held, so that the server offers it to others."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING, Final

from gateway.errors import ServiceError
from shared.resonate.tasks import Tasks
from shared.resonate.transport import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gateway.backend.ask import Ask
    from shared.resonate.transport import Transport

    type Names = Sequence[tuple[str, int]]
    """The tasks and counters of claims or offers."""

RELEASE_THREADS: Final = 8
"""Releases that are made at the same time: a storm of them leaves the server room for others."""


class Releases:
    """Releases claims and offers. `name` is a process id of this gateway's own at the server."""

    def __init__(self, transport: Transport, name: str, ask: Ask) -> None:
        self._tasks = Tasks(transport)
        self._name = f"{name}-releases"
        self._ask = ask

    async def release(self, claims: Names, offers: Names) -> int:
        """Release what a worker held, and return how much of it is not held by others now.

        The server may have given some of it to others already, which is left to them. Raises
        `BackendUnavailable` if the server did not answer for some of it.
        """
        calls = self._calls(claims, offers)
        lanes = (self._make(calls) for _ in range(RELEASE_THREADS))
        outcomes = await asyncio.gather(*lanes, return_exceptions=True)
        released = sum(outcome for outcome in outcomes if isinstance(outcome, int))
        if released:
            with contextlib.suppress(ServiceError):  # the server does so at its next call
                await self._ask(self._tasks.prompt)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        return released

    async def _make(self, calls: Iterator[Callable[[], bool]]) -> int:
        return sum([await self._ask(call) for call in calls])

    def _calls(self, claims: Names, offers: Names) -> Iterator[Callable[[], bool]]:
        for task, counter in claims:
            yield partial(self._drop, task, counter)
        for task, counter in offers:
            yield partial(self._pass_on, task, counter)

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
