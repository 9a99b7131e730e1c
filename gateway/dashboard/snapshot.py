"""One state of the page: lanes with their bars, and numbers, as bounded JSON."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final, Literal

import msgspec
from msgspec import Struct

from gateway.dashboard.bars import BarBody, Bars, milliseconds
from gateway.dashboard.board import shown
from gateway.dashboard.counts import Counts, Numbers

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.dashboard.board import Board, Lane
    from gateway.presence.recoveries import Recoveries

MOST_WORKERS: Final = 200
MOST_FUNCTIONS: Final = 100
MOST_VERSIONS: Final = 20
"""Workers of a snapshot, functions of a worker in it, and versions of a function."""

type Server = Literal["ok", "away", "not writable"]
type Presence = Literal["on", "no workers", "off"]


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
    oldest_at: int | None
    ended: int
    p50_ms: int | None
    p99_ms: int | None
    recoveries: RecoveriesBody
    at: int = 0


class Snapshots:
    """Makes snapshots. `function_of` is that of their bars."""

    def __init__(
        self,
        board: Board,
        recoveries: Recoveries,
        function_of: Callable[[str], str | None],
    ) -> None:
        self._board = board
        self._recoveries = recoveries
        self._bars = Bars(board, function_of)

    def make(
        self, gateway: str, server: Server | None, presence: Presence, numbers: Numbers
    ) -> SnapshotBody:
        """Return the state of now, undated, so that it equals one in which nothing differs."""
        lanes = self._board.lanes()
        lanes, others = lanes[:MOST_WORKERS], lanes[MOST_WORKERS:]
        bars, left_out = self._bars.of(lanes)
        return SnapshotBody(
            gateway=gateway,
            server=server,
            presence=presence,
            workers=[_lane(lane, some) for lane, some in zip(lanes, bars, strict=True)],
            workers_left_out=len(others),
            bars_left_out=left_out + sum(len(lane.bars) for lane in others),
            counts=numbers.counts,
            begins_per_second=numbers.begins_per_second,
            oldest_at=numbers.oldest_at,
            ended=numbers.ended,
            p50_ms=numbers.p50_ms,
            p99_ms=numbers.p99_ms,
            recoveries=self._recovered(),
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


def _lane(lane: Lane, bars: list[BarBody]) -> WorkerLaneBody:
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
        ended_at=None if lane.ended_at is None else milliseconds(lane.ended_at),
        functions={shown(name): versions[-MOST_VERSIONS:] for name, versions in some},
        functions_left_out=max(len(hello.serves) - MOST_FUNCTIONS, 0),
        bars=bars,
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
