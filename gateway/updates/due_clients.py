"""Clients whose time to wait is over: they are answered with what is read then."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.errors import BackendUnavailable, ServiceError
from gateway.model.execution import Execution
from gateway.updates.reader import is_fresh

if TYPE_CHECKING:
    import asyncio

    from gateway.concurrency.tasks import TaskSet
    from gateway.concurrency.wakeups import BatchedWakeups
    from gateway.updates.reader import Reader

type Outcome = Execution | ServiceError | None
"""What a client is woken with; None means that it has to read the execution itself."""


@dataclass(eq=False, slots=True)
class Waited:
    """An execution that clients wait for, each with a future of its own.

    `due` are the clients whose time is over, and who get what is being read now.

    `latest` is the execution as it was at `seen_at`, by the monotonic clock. An execution from the
    cache was not seen by this entry, so `seen_at` is not set by it.
    """

    id: str
    latest: Execution | None = None
    clients: set[asyncio.Future[Outcome]] = field(default_factory=set)
    due: list[asyncio.Future[Outcome]] = field(default_factory=list)
    subscribed: asyncio.Future[Execution] | None = None
    read_at: float = field(default_factory=time.monotonic)
    seen_at: float = float("-inf")


class DueClients:
    """Answers clients whose time is over, from one read for all of one execution.

    The read comes before the clients are woken: a crowd that wakes first keeps the loop so busy
    that reads get no answer in time.
    """

    def __init__(self, reader: Reader, tasks: TaskSet, wakeups: BatchedWakeups[Outcome]) -> None:
        self._reader = reader
        self._tasks = tasks
        self._wakeups = wakeups

    def add(self, waited: Waited, client: asyncio.Future[Outcome]) -> None:
        """Have a client woken with what is read now."""
        waited.due.append(client)
        if len(waited.due) == 1:
            self._tasks.start(self._answer_due(waited))

    async def _answer_due(self, waited: Waited) -> None:
        outcome: Outcome = None
        try:
            outcome = await self.read(waited)
        except ServiceError as error:
            outcome = error
        finally:
            due, waited.due = waited.due, []
            for client in due:
                self._wakeups.wake(client, outcome)

    async def read(self, waited: Waited) -> Execution:
        """Return the execution as it is, or as it was last seen if that says as much.

        Raises what reading raises.
        """
        try:
            return await self._reader.read_shared(waited.id)
        except BackendUnavailable:
            # The state before may be answered if it is fresh, or if the server answers other reads
            # right now: then a notification of the end would have come.
            fresh = is_fresh(waited.seen_at) or self._reader.server_answers()
            if waited.latest is None or not fresh:
                raise
            return waited.latest
