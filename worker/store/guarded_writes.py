"""Writes for one claim, whose failures are told by the promise that is returned."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from resonate.models.durable_promise import DurablePromise, DurablePromiseValue
from resonate.models.result import Ko

from shared.log import get_logger
from shared.metrics import OTHER
from shared.resonate.states import STATUS
from shared.resonate.store import Promises
from shared.resonate.transport import Refused, Unanswered
from worker.errors import Fenced
from worker.store.failed_writes import EXPECTED, failure_for_all, shown
from worker.store.history import History, OtherPart

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from resonate.models.encoder import Encoder
    from resonate.models.result import Result

    from shared.resonate.codec import Failure
    from shared.resonate.large_values import Data
    from shared.resonate.store import Store
    from worker.metrics.counts import WorkerMetrics
    from worker.store.fenced_store import FencedStore
    from worker.store.known_histories import KnownHistories
    from worker.tasks.claims import Claim


class FencedPromise(DurablePromise):
    """A promise that exists in no store; its result says that the execution is no longer ours."""

    def __init__(self, id: str, store: Store) -> None:
        nothing = DurablePromiseValue(None, None)
        super().__init__(id, "REJECTED_CANCELED", 0, None, None, nothing, nothing, {}, 0, 0, store)

    def result(
        self,
        encoder: Encoder[object, tuple[dict[str, str] | None, str | None]],  # noqa: ARG002 - the SDK's
    ) -> Result[object]:
        return Ko(Fenced(self.id))


class ClaimedPromises(Promises):
    """The promise verbs of a store, whose writes carry the claim."""

    def __init__(self, store: FencedStore) -> None:
        super().__init__(store)
        self._fenced = store

    def fence(self) -> Mapping[str, str]:
        claim = self._fenced.claim
        return {} if claim is None else claim.fence


class GuardedWrites(ClaimedPromises):
    """Makes writes of which none raises; `worker` is who makes them."""

    def __init__(
        self, store: FencedStore, worker: str, known: KnownHistories, metrics: WorkerMetrics
    ) -> None:
        super().__init__(store)
        self._known = known
        self._metrics = metrics
        self._claimed = ClaimedPromises(store)
        self.worker = worker
        self._log = get_logger()

    @property
    def claim(self) -> Claim | None:
        """The claim for which is written now."""
        return self._fenced.claim

    def ask(self, call: Callable[[History], None]) -> bool:
        """Make calls about the claim's history; return whether the claim still holds."""
        claim = self._fenced.claim
        if claim is None or claim.lost is not None:
            return False
        try:
            call(self._history(claim))
        except EXPECTED as error:
            claim.lost = shown(error)
            return False
        return True

    def _history(self, claim: Claim) -> History:
        return History(claim, self._claimed, self.worker, self._known, self._metrics.recovered)

    def count_end(self, claim: Claim, execution: DurablePromise) -> None:
        """Count an execution that has ended, with what is stored of it."""
        function = None if claim.call is None else claim.call.function
        ended = execution.completed_on or execution.created_on
        seconds = max(0, ended - execution.created_on) / 1000
        self._metrics.ended(function, claim.version, STATUS.get(execution.state, OTHER), seconds)

    def _write(
        self, id: str, write: Callable[[Claim], DurablePromise], sent: Data | None = None
    ) -> DurablePromise:
        """Return what was written, with its value, which may be what was `sent`."""
        claim, asked_at = self._fenced.claim, time.monotonic()
        promise = self._guarded(id, write, sent)
        if claim is not None and not isinstance(promise, FencedPromise):
            claim.written_at = asked_at
        return promise

    def _guarded(
        self, id: str, write: Callable[[Claim], DurablePromise], sent: Data | None = None
    ) -> DurablePromise:
        """Return what `_write` does, for what need not be a write."""
        claim = self._fenced.claim
        if claim is None or claim.lost is not None:
            return FencedPromise(id, self._fenced)
        try:
            promise = write(claim)
            self.values.fill_value(promise, sent)
        except OtherPart as error:
            claim.blocked = error.blocked
            claim.lost = str(error.blocked)
        except Exception as error:  # noqa: BLE001 - whatever it is, the SDK's thread must live on
            claim.lost = shown(error)
            if not isinstance(error, EXPECTED):
                self._log.exception("write failed", **claim.log_fields, promise=id)
            failure = failure_for_all(id, error)
            if failure is not None:
                self._reject_execution(claim, failure)
        else:
            return promise
        self._log.warning("execution given up", **claim.log_fields, reason=claim.lost)
        return FencedPromise(id, self._fenced)

    def _reject_execution(self, claim: Claim, failure: Failure) -> None:
        """Reject an execution whose write would be refused from every worker."""
        try:
            execution = super()._settle(
                claim.execution, "REJECTED", claim.execution, failure.rejection(), strict=False
            )
            self.count_end(claim, execution)
        except (Refused, Unanswered) as error:
            self._log.error("execution not rejected", **claim.log_fields, reason=str(error))
