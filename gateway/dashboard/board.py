"""What each worker runs and has just run, as workers tell it: the bars of the page's lanes.

It observes always, so that a page that is opened shows what has begun before. What has ended is
kept for `KEPT_SECONDS`, and only a bounded number of bars.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway.presence.observer import Ending
    from gateway.presence.recoveries import Loss, Recoveries
    from gateway.presence.workers import Held, Worker

KEPT_SECONDS: Final = 30.0
"""Seconds for which a bar is kept once it has ended."""

GONE_SECONDS: Final = 60.0
"""Seconds for which a worker is kept that has ended."""

MOST_ENDED: Final = 1_000
MOST_LOST: Final = 1_000
MOST_GONE: Final = 64
"""Bars and workers that are kept of those that have ended, the newest ones."""

MOST_SEGMENTS: Final = 32
"""Segments of a bar that are kept, the newest ones."""

TEXT_CHARACTERS: Final = 200
"""Characters that are kept of a name."""

type BarState = Literal["running", "retrying", "ended", "lost", "handed back"]


@dataclass(slots=True)
class Segment:
    """A step within a bar. Times are seconds since the epoch.

    `again` means that it was running when another worker was lost, and runs once more.
    """

    step: str
    started_at: float
    again: bool
    ended_at: float | None = None


@dataclass(eq=False, slots=True)
class Bar:
    """A claim of an execution. Times are seconds since the epoch."""

    id: str
    pid: str
    claimed_at: float
    function: str | None = None
    ended_at: float | None = None
    attempt: int = 1
    recovered_from: str | None = None
    state: BarState = "running"
    repeats: str | None = None
    """The step that is to run once more, until it does."""

    segments: deque[Segment] = field(default_factory=lambda: deque(maxlen=MOST_SEGMENTS))

    def run(self, step: str | None, now: float) -> None:
        """Begin a step, or with None end the one that runs."""
        latest = self.segments[-1] if self.segments else None
        if latest is not None and latest.ended_at is None:
            if latest.step == step:
                return
            latest.ended_at = now
        if step is not None:
            again = step == self.repeats
            self.repeats = None if again else self.repeats
            self.segments.append(Segment(step, now, again))

    def end(self, state: BarState, now: float) -> None:
        """End the bar, and the step that runs."""
        self.run(None, now)
        if self.state != "lost":
            self.state = state
        if self.ended_at is None:
            self.ended_at = now


@dataclass(eq=False, slots=True)
class Lane:
    """A worker, and the bars of its claims that are not over."""

    worker: Worker
    bars: dict[Held, Bar] = field(default_factory=dict)
    ending: Ending | None = None
    ended_at: float | None = None


class Board:
    """Observes workers; `recoveries` must observe them before. `clock` is that of all times.

    `changes` grows with each change.
    """

    def __init__(self, recoveries: Recoveries, clock: Callable[[], float]) -> None:
        self._recoveries = recoveries
        self._clock = clock
        self._lanes: dict[Worker, Lane] = {}
        self._gone: deque[Lane] = deque(maxlen=MOST_GONE)
        self._ended: deque[Bar] = deque(maxlen=MOST_ENDED)
        self._lost: deque[Bar] = deque(maxlen=MOST_LOST)
        self.changes = 0
        self.on_change: Callable[[], None] | None = None
        """Called with each change, while somebody looks."""

    def lanes(self) -> list[Lane]:
        """Return the workers by name, with those that have ended a moment ago."""
        shown = self._clock() - GONE_SECONDS
        gone = [lane for lane in self._gone if (lane.ended_at or 0) > shown]
        lanes = [*self._lanes.values(), *gone]
        return sorted(lanes, key=lambda each: (each.worker.name, -each.worker.hello.started_at))

    def past_bars(self) -> Iterator[Bar]:
        """Yield the bars that have ended a moment ago, the latest first of each kind."""
        shown = self._clock() - KEPT_SECONDS
        for bars in (self._lost, self._ended):
            for bar in reversed(bars):
                if bar.ended_at is not None and bar.ended_at > shown:
                    yield bar

    def entered(self, worker: Worker) -> None:
        if worker not in self._lanes:
            self._lanes[worker] = Lane(worker)
            for lane in [lane for lane in self._gone if lane.worker.pid == worker.pid]:
                self._gone.remove(lane)  # it was taken for dead, and lives
            self._changed()

    def claimed(self, held: Held, previous: Held | None) -> None:
        lane = self._lanes.get(held.worker)
        if lane is None:
            return
        bar = Bar(shown(held.execution), held.worker.pid, self._clock())
        lane.bars[held] = bar
        self._take_over(bar, self._recoveries.loss_before(held))
        self._changed()

    def ran(self, held: Held) -> None:
        bar, running = self._bar_of(held), held.running
        if bar is None or running is None:
            return
        if bar.recovered_from is None:
            self._take_over(bar, self._recoveries.loss_before(held))
        if running.recovered_from is not None:
            bar.recovered_from = shown(running.recovered_from)
        bar.attempt = running.attempt
        bar.function = shown(running.function) or bar.function
        bar.state = "retrying" if running.is_retried else "running"
        bar.run(None if running.step is None else shown(running.step), self._clock())
        self._changed()

    def ended(self, held: Held) -> None:
        lane = self._lanes.get(held.worker)
        bar = lane.bars.pop(held, None) if lane is not None else None
        if bar is None:
            return
        bar.end("ended", self._clock())
        (self._lost if bar.state == "lost" else self._ended).append(bar)
        self._changed()

    def left(self, worker: Worker, ending: Ending, at: float) -> None:
        lane = self._lanes.pop(worker, None)
        if lane is None:
            return
        now = self._clock() - (time.monotonic() - at)
        lane.ending, lane.ended_at = ending, now
        for held, bar in lane.bars.items():
            bar.end("handed back" if ending == "stopped" else "lost", now)
            taken = worker.latest_claim_of(held.execution)
            after = None if taken is None else self._bar_of(taken)
            if taken is not None and after is not None:  # another gateway was quicker
                self._take_over(after, self._recoveries.loss_before(taken))
        (self._ended if ending == "stopped" else self._lost).extend(lane.bars.values())
        lane.bars = {}
        self._gone.append(lane)
        self._changed()

    def _take_over(self, bar: Bar, loss: Loss | None) -> None:
        """Show that a bar goes on with what another worker has lost."""
        if loss is None:
            return
        bar.recovered_from = shown(loss.worker)
        bar.repeats = None if loss.step is None else shown(loss.step)
        for segment in bar.segments:  # it began before the loss was known
            segment.again = segment.step == bar.repeats
        if any(segment.again for segment in bar.segments):
            bar.repeats = None
        lost = self._bar_of(loss.held)
        if lost is not None:  # its worker lives, and does not know yet
            lost.end("lost", self._clock())

    def _bar_of(self, held: Held) -> Bar | None:
        lane = self._lanes.get(held.worker)
        return None if lane is None else lane.bars.get(held)

    def _changed(self) -> None:
        self.changes += 1
        if self.on_change is not None:
            self.on_change()


def shown(text: str) -> str:
    """Return a name as it is shown: not too long, and always to be encoded."""
    return text[:TEXT_CHARACTERS].encode(errors="replace").decode()
