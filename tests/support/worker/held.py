"""Executions at the real server that a worker holds."""

from __future__ import annotations

import asyncio
import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from shared.ids import stored_id
from shared.resonate import tags as tag
from shared.resonate.codec import encode_call
from shared.resonate.tasks import Tasks
from shared.resonate.transport import Refused

if TYPE_CHECKING:
    from shared.resonate.store import Store
    from shared.resonate.tasks import TaskState

LEASE: Final = 60_000
"""Milliseconds for which a claim lasts here: nothing is free because its lease has ended."""


class Held:
    """Executions at the real server, which a worker has claimed."""

    def __init__(self, store: Store, job: str, count: int) -> None:
        self._promises = store.promises
        self._tasks = Tasks(store.transport)
        self._claimed: set[str] = set()
        self.ids = [f"{job}-{number}" for number in range(count)]
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(self.begin, self.ids))
            list(pool.map(self._claim_first, self.ids))
        self.claims = [(self.task(id), 1) for id in self.ids]

    @staticmethod
    def task(id: str) -> str:
        return f"__invoke:{stored_id(id)}"

    def claim(self, task: str, counter: int) -> bool:
        """Claim a task; return whether it was free."""
        with contextlib.suppress(Refused):
            self._tasks.claim_raw(task, counter, "another", LEASE)
            return True
        return False

    def begin(self, id: str) -> None:
        later = int((time.time() + 3600) * 1000)
        tags = {"resonate:invoke": "poll://any@nobody", tag.FUNCTION: "order"}
        call = encode_call("order", 1, "1")
        self._promises.create(id, later, ikey=id, data=call, tags=tags)

    def _claim_first(self, id: str) -> None:
        end = time.monotonic() + 20
        while not self.claim(self.task(id), 1):
            assert time.monotonic() < end, f"{id} is not offered"

    def count_free(self, counter: int) -> int:
        """Claim all that are free with this counter; return how many were, since the first call."""
        self._claimed |= {id for id in self.ids if self.claim(self.task(id), counter)}
        return len(self._claimed)

    def are_free(self, counter: int = 2) -> bool:
        """Claim all that are free with this counter; return whether all were."""
        return self.count_free(counter) == len(self.ids)

    def state(self, number: int) -> TaskState:
        return self._tasks.state(self.task(self.ids[number]))


async def hold(store: Store, job: str, count: int) -> Held:
    """Begin and claim so many executions."""
    return await asyncio.to_thread(Held, store, job, count)
