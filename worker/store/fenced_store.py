"""The store of one slot: every write carries the claim, and no failure reaches the SDK's threads.

The SDK's bridge cannot take an error: one would end the process, or leave it alive and deaf. So
when a write is refused, or not answered in all the time it has:
1. The SDK gets a promise of our own making, whose result is `Fenced`.
2. This result ends the function's body at its `yield`.
3. Every later write for the claim is answered in the same way, without asking the server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.resonate import tags as tag
from shared.resonate.codec import decode_rejection
from shared.resonate.large_values import data_of
from shared.resonate.store import Store
from worker.metrics.counts import WorkerMetrics
from worker.store.guarded_writes import FencedPromise, GuardedWrites
from worker.store.history import claim_tags
from worker.store.known_histories import KnownHistories
from worker.store.numbered_parts import number_of
from worker.store.restarts import starts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from resonate.models.callback import Callback
    from resonate.models.durable_promise import DurablePromise

    from shared.resonate.large_values import Data
    from shared.resonate.transport import Transport
    from worker.tasks.claims import Claim


class FencedStore(Store):
    """Writes for one claim at a time, which the slot sets before the SDK gets the task."""

    def __init__(
        self,
        transport: Transport,
        worker: str,
        known: KnownHistories | None = None,
        child_ended: Callable[[], None] = lambda: None,
        metrics: WorkerMetrics | None = None,
    ) -> None:
        super().__init__(transport)
        self.claim: Claim | None = None
        self.promises: FencedPromises = FencedPromises(
            self, worker, known or KnownHistories(), child_ended, metrics or WorkerMetrics.off()
        )


class FencedPromises(GuardedWrites):
    """The promise verbs that the SDK's bridge calls; none of those that write raises.

    `child_ended` is called when the end of an execution is stored that another one may wait for.
    """

    def __init__(
        self,
        store: FencedStore,
        worker: str,
        known: KnownHistories,
        child_ended: Callable[[], None],
        metrics: WorkerMetrics,
    ) -> None:
        super().__init__(store, worker, known, metrics)
        self._child_ended = child_ended

    def create(  # noqa: PLR0913 - the SDK's protocol
        self,
        id: str,
        timeout: int,
        *,
        ikey: str | None = None,
        strict: bool = False,
        headers: dict[str, str] | None = None,
        data: Data | None = None,
        tags: dict[str, str] | None = None,
    ) -> DurablePromise:
        def write(claim: Claim) -> DurablePromise:
            _reached(claim, id, tags or {})
            marked = {**(tags or {}), **claim_tags(claim, self.worker)}
            promise = super(FencedPromises, self).create(
                id, timeout, ikey=ikey, strict=strict, data=data, tags=marked
            )
            self._history(claim).met(id, tags or {}, promise)
            claim.parts[id] = promise
            if promise.pending:
                claim.end_turn()
                if tag.STEP in promise.tags and promise.tags.get(tag.CLAIM) != claim.key:
                    claim.earlier_starts[id] = starts_of(self, promise, claim.execution)
            return (
                self._resolve_signal(claim, promise) if _is_unresolved_signal(promise) else promise
            )

        return self._write(id, write)

    def create_ended(
        self, id: str, began: int, tags: Mapping[str, str], data: str
    ) -> DurablePromise:
        """Store a step with its outcome, which is one of the tags, in one write.

        `began` are milliseconds since the epoch. The server ends the promise by itself, at once.
        """

        def write(claim: Claim) -> DurablePromise:
            _reached(claim, id, tags)
            marked = {**tags, **claim_tags(claim, self.worker), tag.SLEEP: "true"}
            marked[tag.ENDED_STEP] = marked.pop(tag.STEP)
            stored = self._claimed.values.stored(id, data)
            promise = self._claimed.create(id, began, ikey=id, data=stored, tags=marked)
            self._history(claim).met(id, tags, promise)
            claim.parts[id] = promise
            return promise

        return self._write(id, write, data)

    def replayed(self, stored: DurablePromise, tags: Mapping[str, str]) -> DurablePromise:
        """Return a part that was read from the history, as if it had been created again."""

        def replay(claim: Claim) -> DurablePromise:
            _reached(claim, stored.id, tags)
            self._history(claim).met(stored.id, tags, stored)
            return stored

        return self._guarded(stored.id, replay)

    def going_on(self) -> None:
        """Note that the execution is not blocked: it waits for what it has waited for before."""
        self.ask(lambda history: history.resolve_blocked())

    def record(self, id: str, tags: dict[str, str]) -> bool:
        """Store a record that no answer shows; return whether the claim still holds."""

        def write(claim: Claim) -> DurablePromise:
            marked = {**tags, tag.WORKER: self.worker}
            return super(FencedPromises, self).create(
                id, claim.deadline, ikey=claim.key, tags=marked
            )

        return not isinstance(self._write(id, write), FencedPromise)

    def _resolve_signal(self, claim: Claim, signal: DurablePromise) -> DurablePromise:
        """Resolve the promise of a signal with the value that its sender stored."""
        # A signal that comes early is stored first and resolved then; its gateway died in between.
        name = signal.tags[tag.SIGNAL]
        self._log.info("signal delivered for its sender", **claim.log_fields, signal=name)
        data = data_of(signal.param)
        return super()._settle(signal.id, "RESOLVED", signal.id, data, strict=False)

    def _settle(  # noqa: PLR0913 - as in `Promises`
        self,
        id: str,
        state: str,
        ikey: str | None,
        data: Data | None,
        *,
        strict: bool,
        notes: Mapping[str, str] | None = None,
    ) -> DurablePromise:
        def write(claim: Claim) -> DurablePromise:
            if id == claim.execution:
                self._history(claim).resolve_blocked()
            notes = claim.ran if id == claim.execution else None
            promise = super(FencedPromises, self)._settle(
                id, state, ikey, data, strict=strict, notes=notes
            )
            claim.parts[id] = promise
            claim.started.pop(id, None)
            if id == claim.execution:
                claim.finished = True
                if state == "REJECTED":
                    claim.failure = decode_rejection(str(data)).type
                self.count_end(claim, promise)
                if claim.is_child:
                    self._child_ended()
            return promise

        return self._write(id, write, data)

    def callback(
        self, promise_id: str, root_promise_id: str, recv: str, timeout: int
    ) -> tuple[DurablePromise, Callback | None]:
        registered: list[Callback | None] = []

        def write(_: Claim) -> DurablePromise:
            promise, callback = super(FencedPromises, self).callback(
                promise_id, root_promise_id, recv, timeout
            )
            registered.append(callback)
            return promise

        promise = self._write(promise_id, write)
        return promise, registered[0] if registered else None


def _reached(claim: Claim, id: str, tags: Mapping[str, str]) -> None:
    """Note that the function has asked for this part."""
    claim.position = max(claim.position, number_of(claim.execution, id) or 0)
    is_first_report = tag.PROGRESS in tags and claim.progress is None
    claim.progress = tags.get(tag.PROGRESS, claim.progress)
    if is_first_report:
        claim.tell(claim)


def _is_unresolved_signal(promise: DurablePromise) -> bool:
    """Return whether this is a signal that came before its execution waited, not resolved yet."""
    return promise.pending and tag.SIGNAL in promise.tags and tag.REQUEST in promise.tags
