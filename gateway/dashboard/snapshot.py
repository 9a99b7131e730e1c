"""One state of the page: lanes with their bars, and numbers, as bounded JSON."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final, Literal

import msgspec
from msgspec import Struct

from gateway.dashboard.board import shown
from gateway.dashboard.counts import Counts, Numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.dashboard.board import Bar, Board, Lane
    from gateway.presence.recoveries import Recoveries

MOST_BARS: Final = 400
"""Bars of a snapshot."""

MOST_SEGMENTS: Final = 2_000
"""Segments of a snapshot; where there are many bars, each shows its newest segments only."""

MOST_WORKERS: Final = 200
MOST_FUNCTIONS: Final = 100
MOST_VERSIONS: Final = 20
"""Workers of a snapshot, functions of a worker in it, and versions of a function."""

type Server = Literal["ok", "away", "not writable"]
type Presence = Literal["on", "no workers", "off"]


class SegmentBody(Struct, frozen=True):
    """A step within a bar. All times are milliseconds since the epoch."""

    step: str
    started_at: int
    ended_at: int | None
    again: bool


class BarBody(Struct, frozen=True):
    """One worker's work on an execution."""

    id: str
    function: str | None
    claimed_at: int
    ended_at: int | None
    attempt: int
    recovered_from: str | None
    state: str
    segments: list[SegmentBody]


class WorkerLaneBody(Struct, frozen=True):
    """A worker and its bars."""

    name: str
    pid: str
    group: str
    started_at: int
    slots: int
    busy: int
    offers: int
    state: Literal["alive", "silent", "dead", "stopped"]
    ended_at: int | None
    functions: dict[str, list[int]]
    functions_left_out: int
    bars: list[BarBody]


class RecoveryBody(Struct, frozen=True):
    """An execution that another worker went on with."""

    id: str
    from_: str = msgspec.field(name="from")
    to: str
    seconds: float | None
    step: str | None
    at: int


class RecoveriesBody(Struct, frozen=True):
    """How many executions were recovered since this gateway began, and the last one."""

    count: int
    last: RecoveryBody | None


class SnapshotBody(Struct, frozen=True, kw_only=True):
    """What the page shows. What is not known is null."""

    gateway: str
    server: Server | None
    presence: Presence
    workers: list[WorkerLaneBody]
    workers_left_out: int
    bars_left_out: int
    counts: Counts | None
    begins_per_second: float | None
    p50_ms: int | None
    p99_ms: int | None
    recoveries: RecoveriesBody
    at: int = 0


class Snapshots:
    """Makes snapshots. `function_of` knows what workers of older releases do not tell."""

    def __init__(
        self,
        board: Board,
        recoveries: Recoveries,
        function_of: Callable[[str], str | None],
    ) -> None:
        self._board = board
        self._recoveries = recoveries
        self._function_of = function_of

    def make(
        self, gateway: str, server: Server | None, presence: Presence, numbers: Numbers
    ) -> SnapshotBody:
        """Return the state of now, undated, so that it equals one in which nothing differs."""
        lanes = self._board.lanes()
        bars, left_out = self._chosen(lanes)
        count = sum(map(len, bars.values()))
        segments = MOST_SEGMENTS // max(count, 1)
        return SnapshotBody(
            gateway=gateway,
            server=server,
            presence=presence,
            workers=[
                self._lane(lane, [self._bar(bar, segments) for bar in bars[lane]])
                for lane in lanes[:MOST_WORKERS]
            ],
            workers_left_out=len(lanes[MOST_WORKERS:]),
            bars_left_out=left_out,
            counts=numbers.counts,
            begins_per_second=numbers.begins_per_second,
            p50_ms=numbers.p50_ms,
            p99_ms=numbers.p99_ms,
            recoveries=self._recovered(),
        )

    def _chosen(self, lanes: Sequence[Lane]) -> tuple[dict[Lane, list[Bar]], int]:
        """Return the bars that are shown, newest first, and how many others there are.

        Each lane has as many as another before one has more.
        """
        past: dict[str, list[Bar]] = {lane.worker.pid: [] for lane in lanes}
        for bar in self._board.past_bars():
            past.setdefault(bar.pid, []).append(bar)
        total = sum(map(len, past.values())) + sum(len(lane.bars) for lane in lanes)
        candidates: list[tuple[int, int, Bar]] = []
        for number, lane in enumerate(lanes[:MOST_WORKERS]):
            running = itertools.islice(reversed(lane.bars.values()), MOST_BARS)
            of_lane = itertools.chain(running, past[lane.worker.pid])
            candidates += ((place, number, bar) for place, bar in enumerate(of_lane))
        candidates.sort(key=lambda each: each[:2])
        bars: dict[Lane, list[Bar]] = {lane: [] for lane in lanes}
        for _, number, bar in candidates[:MOST_BARS]:
            bars[lanes[number]].append(bar)
        return bars, total - min(len(candidates), MOST_BARS)

    def _lane(self, lane: Lane, bars: list[BarBody]) -> WorkerLaneBody:
        worker, hello = lane.worker, lane.worker.hello
        is_gone = lane.ending is not None
        some = itertools.islice(hello.serves.items(), MOST_FUNCTIONS)
        return WorkerLaneBody(
            name=shown(hello.worker),
            pid=shown(hello.pid),
            group=shown(hello.group),
            started_at=hello.started_at,
            slots=hello.slots,
            busy=0 if is_gone else len(worker.claims),
            offers=0 if is_gone else len(worker.offers),
            state=_state_of(lane),
            ended_at=None if lane.ended_at is None else _milliseconds(lane.ended_at),
            functions={shown(name): versions[-MOST_VERSIONS:] for name, versions in some},
            functions_left_out=max(len(hello.serves) - MOST_FUNCTIONS, 0),
            bars=bars,
        )

    def _bar(self, bar: Bar, segments: int) -> BarBody:
        return BarBody(
            id=bar.id,
            function=bar.function or self._function_of(bar.id),
            claimed_at=_milliseconds(bar.claimed_at),
            ended_at=None if bar.ended_at is None else _milliseconds(bar.ended_at),
            attempt=bar.attempt,
            recovered_from=bar.recovered_from,
            state=bar.state,
            segments=[
                SegmentBody(
                    each.step,
                    _milliseconds(each.started_at),
                    None if each.ended_at is None else _milliseconds(each.ended_at),
                    each.again,
                )
                for each in list(bar.segments)[-segments:]
            ],
        )

    def _recovered(self) -> RecoveriesBody:
        last = self._recoveries.last
        if last is None:
            return RecoveriesBody(self._recoveries.count, None)
        return RecoveriesBody(
            self._recoveries.count,
            RecoveryBody(
                shown(last.execution),
                shown(last.lost_by),
                shown(last.taken_by),
                None if last.seconds is None else round(last.seconds, 3),
                None if last.step is None else shown(last.step),
                last.at,
            ),
        )


def _state_of(lane: Lane) -> Literal["alive", "silent", "dead", "stopped"]:
    match lane.ending:
        case None:
            return "silent" if lane.worker.is_silent() else "alive"
        case "stopped":
            return "stopped"
        case "dead":
            return "dead"
        case "vanished":
            return "silent"


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
