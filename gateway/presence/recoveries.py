"""Executions that were lost with their worker, and how soon another worker went on with each.

1. A worker's connection ends with its process, or its host vanishes: all it held is lost.
2. Another worker tells of a claim of such an execution.
3. The claim runs or has ended: the execution is recovered. Until then the claim may be refused.

Where a worker was only frozen its connection stands, so nothing is lost here. If its leases ended,
the worker that goes on says from whom it has recovered the execution.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cachetools import TTLCache

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.presence.observer import Ending
    from gateway.presence.workers import Held, Worker

LOST_SECONDS: Final = 600.0
LOST_COUNT: Final = 20_000
"""Seconds for which lost executions are remembered, and how many."""


@dataclass(frozen=True, slots=True)
class Loss:
    """An execution that was lost with its worker, at a moment of the monotonic clock.

    `at` is None where the worker did not vanish: nothing shows then when it lost the execution.
    """

    held: Held
    step: str | None
    at: float | None

    @property
    def worker(self) -> str:
        return self.held.worker.name


@dataclass(frozen=True, slots=True)
class Recovery:
    """An execution with which another worker went on.

    `step` was running when it was lost. `seconds` are from the loss until the new worker was at
    work, None if it is not known when the execution was lost. `at` is in milliseconds since the
    epoch.
    """

    execution: str
    lost_by: str
    taken_by: str
    step: str | None
    seconds: float | None
    at: int


@dataclass(slots=True)
class _Resumption:
    """A claim of an execution that another worker has lost, or may have lost."""

    loss: Loss
    is_certain: bool
    is_confirmed: bool = False


class Recoveries:
    """Observes what workers say for recoveries, and counts them; `clock` dates them."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lost: TTLCache[str, Loss] = TTLCache(LOST_COUNT, LOST_SECONDS)
        self._resumed: dict[Held, _Resumption] = {}
        self._listeners: list[Callable[[Recovery], None]] = []
        self.count = 0
        self.last: Recovery | None = None

    def listen(self, callback: Callable[[Recovery], None]) -> None:
        """Call this with each recovery, in the loop; it is quick and raises nothing."""
        self._listeners.append(callback)

    def loss_before(self, held: Held) -> Loss | None:
        """Return what another worker has lost and this claim goes on with."""
        resumed = self._resumed.get(held)
        known = resumed is not None and (resumed.is_certain or resumed.is_confirmed)
        return resumed.loss if resumed is not None and known else None

    def entered(self, worker: Worker) -> None:
        pass

    def claimed(self, held: Held, previous: Held | None) -> None:
        loss = self._lost.get(held.execution)
        if loss is not None and loss.held.worker.pid != held.worker.pid:
            del self._lost[held.execution]
            self._resumed[held] = _Resumption(loss, is_certain=True)
        elif previous is not None and previous.worker.pid != held.worker.pid:
            # Perhaps its end is told a moment later.
            self._resumed[held] = _Resumption(_loss_of(previous, None), is_certain=False)

    def ran(self, held: Held) -> None:
        resumed, running = self._resumed.get(held), held.running
        if resumed is None or running is None or resumed.is_confirmed:
            return
        # Of a worker without a connection it is known in a moment whether it has died, and when.
        is_open = bool(resumed.loss.held.worker.connections)
        is_told = running.recovered_from == resumed.loss.worker
        if resumed.is_certain or (is_told and is_open):
            self._confirm(held, resumed, time.monotonic())

    def ended(self, held: Held) -> None:
        resumed = self._resumed.pop(held, None)
        if resumed is not None and resumed.is_certain and not resumed.is_confirmed:
            self._confirm(held, resumed, held.told_at)  # it was quick

    def left(self, worker: Worker, ending: Ending, at: float) -> None:
        for held in worker.held():
            resumed = self._resumed.pop(held, None)
            if ending == "stopped":
                continue
            loss = _loss_of(held, at)
            holder = worker.latest_claim_of(held.execution)
            if holder is None or holder.worker is worker:
                # It may be lost once more before it was recovered: that counts from the first loss.
                again = resumed is not None and resumed.is_certain and not resumed.is_confirmed
                self._lost[held.execution] = resumed.loss if resumed and again else loss
            else:
                self._taken_before(holder, loss)

    def _taken_before(self, holder: Held, loss: Loss) -> None:
        """Note a loss after the claim that goes on, for which another gateway has seen to it."""
        resumed = self._resumed.get(holder)
        if resumed is None or resumed.is_confirmed:
            return
        resumed = self._resumed[holder] = _Resumption(loss, is_certain=True)
        if holder.running is not None:
            self._confirm(holder, resumed, holder.told_at)

    def _confirm(self, held: Held, resumed: _Resumption, at: float) -> None:
        resumed.is_confirmed = True
        loss = resumed.loss
        seconds = None if loss.at is None else max(at - loss.at, 0.0)
        now = round((self._clock() - time.monotonic() + at) * 1000)
        self.last = Recovery(held.execution, loss.worker, held.worker.name, loss.step, seconds, now)
        self.count += 1
        for listener in self._listeners:
            listener(self.last)


def _loss_of(held: Held, at: float | None) -> Loss:
    """Return what a worker has lost; by default it is lost since it has not been heard any more."""
    if at is None and held.worker.is_silent():
        at = held.worker.heard_at
    return Loss(held, held.running.step if held.running is not None else None, at)
