"""Claims at the real server, and stores that write for them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from shared.ids import stored_id
from shared.resonate import tags as tag
from shared.resonate.codec import encode_call
from shared.resonate.tasks import Tasks
from shared.resonate.transport import Refused
from tests.support.processes import wait_until
from worker.store.fenced_store import FencedStore
from worker.store.guarded_writes import FencedPromise
from worker.tasks.claims import Claim

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.resonate.store import Store

LATER = int((time.time() + 24 * 60 * 60) * 1000)
"""A day after the tests were collected: the whole run takes long."""


class ClaimedJob:
    """An execution at the real server, which one worker after the other holds."""

    def __init__(self, store: Store, id: str) -> None:
        self.id = id
        self._server = store
        self.promises = store.promises
        tags = {"resonate:invoke": "poll://any@nobody", tag.FUNCTION: "order"}
        call = encode_call("order", 1, "1")
        store.promises.create(id, LATER, ikey=id, data=call, tags=tags)
        self._task = f"__invoke:{stored_id(id)}"
        self._counter = 0

    def claim(self, worker: str = "worker-1") -> tuple[Claim, FencedStore]:
        """Return the next claim of the execution, and the store of the worker that holds it."""
        self._counter += 1
        claim = Claim(self._task, self._counter, self.id, deadline=LATER, version=1)

        def claimed() -> bool:
            try:
                Tasks(self._server.transport).claim_raw(claim.task, claim.counter, "pid", 60_000)
            except Refused:
                return False
            return True

        wait_until(claimed, what="the claim")
        store = FencedStore(self._server.transport, worker)
        store.claim = claim
        return claim, store

    def drop(self) -> None:
        """End the latest claim, as when its worker hands the execution back."""
        Tasks(self._server.transport).drop(self._task, self._counter)

    def part(self, store: FencedStore, number: int, tags: Mapping[str, str]) -> bool:
        """Ask for a numbered part; return whether the claim still holds."""
        id = f"{self.id}.{number}"
        promise = store.promises.create(id, LATER, ikey=id, tags=dict(tags))
        return not isinstance(promise, FencedPromise)
