"""What is stored of a step: its start and its end, or both in one write if the step is quick.

1. A step that ends within `QUICK_SECONDS` is stored once, with its outcome.
2. Of a step that takes longer the start is stored, so that clients see who runs it, and the next
   worker knows who was lost with it. The outcome is a second write.
3. The start is stored at once where an earlier claim may have started the step.

Of a plain function, which is the only step of its execution, a quick run is stored with the
execution's end.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from shared.log import get_logger
from shared.resonate import tags as tag
from worker.errors import Fenced
from worker.store.guarded_writes import FencedPromise

if TYPE_CHECKING:
    from resonate.models.durable_promise import DurablePromise

    from shared.resonate.clock import ServerClock
    from worker.store.fenced_store import FencedPromises
    from worker.store.replays import ReplayedHistory
    from worker.tasks.claims import Claim

QUICK_SECONDS: Final = 0.05
"""Seconds after which the start of a step is stored, if the step has not ended."""

PERIOD_SECONDS: Final = 0.025
"""Seconds between two looks at the steps that run."""


class StepRecord:
    """What is stored of one step. Raises `Fenced` if the claim is lost."""

    def __init__(
        self, claim: Claim, promises: FencedPromises, clock: ServerClock, id: str, name: str
    ) -> None:
        self._claim = claim
        self._promises = promises
        self._clock = clock
        self._id = id
        self._name = name
        self._lock = threading.Lock()
        self._is_stored = False
        self._has_ended = False
        self.began = clock.time()
        self.due_at = time.monotonic() + QUICK_SECONDS
        """Monotonic time at which the start is to be stored."""

    @property
    def log_fields(self) -> dict[str, str]:
        return {**self._claim.log_fields, "step": self._name}

    def store_start(self) -> DurablePromise | None:
        """Store that the step has started, and return its promise; None if that is not needed."""
        with self._lock:
            if self._is_stored or self._has_ended or self._promises.claim is not self._claim:
                return None
            self._is_stored = True
            tags = {tag.STEP: self._name, tag.STARTED: str(int(self.began * 1000))}
            promise = self._promises.create(
                self._id, self._claim.deadline, ikey=self._id, tags=tags
            )
            if promise.tags.get(tag.CLAIM) == self._claim.key:
                self._claim.started.setdefault(self._id, 1)
            self._claim.runs(self._name)
        return self._checked(promise)

    def is_over_after(self, pause: float) -> bool:
        """Return whether the execution's time is over after this many seconds."""
        return (self._clock.time() + pause) * 1000 > self._claim.deadline

    def end(self, outcome: str, data: str) -> None:
        """Store the step's outcome, `tag.RESOLVED` or `tag.REJECTED`, with its data."""
        with self._lock:
            if self._has_ended:
                return
            self._has_ended = True
            if self._is_stored:
                settle = (
                    self._promises.resolve if outcome == tag.RESOLVED else self._promises.reject
                )
                promise: DurablePromise | None = settle(self._id, ikey=self._id, data=data)
                self._claim.runs(None)
            else:
                promise = self._store_both(outcome, data)
        self._checked(promise)

    def _store_both(self, outcome: str, data: str) -> DurablePromise | None:
        began = int(self.began * 1000)
        tags = {tag.STEP: self._name, tag.OUTCOME: outcome, tag.STARTED: str(began)}
        return self._promises.create_ended(self._id, began, tags, data)

    def _checked(self, promise: DurablePromise | None) -> DurablePromise | None:
        if isinstance(promise, FencedPromise):
            raise Fenced(self._claim.execution)
        return promise


class WholeRecord(StepRecord):
    """What is stored of the step that is all of its execution."""

    def _store_both(self, outcome: str, data: str) -> None:  # noqa: ARG002 - the execution has them
        began = str(int(self.began * 1000))
        worker = self._promises.worker
        self._claim.ran = {tag.STEP: self._name, tag.WORKER: worker, tag.STARTED: began}


class StepRecords:
    """The records of the steps of one claim."""

    def __init__(
        self,
        claim: Claim,
        promises: FencedPromises,
        history: ReplayedHistory,
        late: LateStarts,
        clock: ServerClock,
    ) -> None:
        self._claim = claim
        self._promises = promises
        self._history = history
        self._late = late
        self._clock = clock

    def begin(self, id: str, name: str, *, whole: bool) -> tuple[StepRecord, DurablePromise | None]:
        """Return the record of a step that is about to start, and the promise that it has, if any.

        Raises `Fenced`.
        """
        kind = WholeRecord if whole else StepRecord
        record = kind(self._claim, self._promises, self._clock, id, name)
        if self._claim.counter > 1 or self._history.has(id):
            return record, record.store_start()
        self._late.add(record)
        return record, None


class LateStarts:
    """Stores the starts of steps that are not quick, in a thread of its own."""

    def __init__(self) -> None:
        self._waiting: deque[StepRecord] = deque()
        self._added = threading.Event()
        self._thread = threading.Thread(target=self._run, name="late-starts", daemon=True)
        self._log = get_logger()

    def start(self) -> None:
        self._thread.start()

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def add(self, record: StepRecord) -> None:
        """Store the start of this step once it is due, unless it has ended by then."""
        self._waiting.append(record)
        self._added.set()

    def _run(self) -> None:
        while True:
            self._added.wait()
            self._added.clear()
            while self._waiting:
                time.sleep(PERIOD_SECONDS)
                self._store_due()

    def _store_due(self) -> None:
        now = time.monotonic()
        while self._waiting and self._waiting[0].due_at <= now:
            record = self._waiting.popleft()
            try:
                record.store_start()
            except Fenced:
                pass
            except Exception:  # noqa: BLE001 - this thread must live on
                self._log.exception("start of a step not stored", **record.log_fields)
