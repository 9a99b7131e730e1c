"""Which bars a snapshot has, and what it shows of each."""

from __future__ import annotations

import itertools
from collections import defaultdict
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gateway.dashboard.board import Bar, Board, Lane

MOST_BARS: Final = 400
"""Bars of a snapshot."""

MOST_SEGMENTS: Final = 2_000
"""Segments of a snapshot; where there are many bars, each shows its newest segments only."""


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


class Bars:
    """Chooses bars. `function_of` knows what workers of older releases do not tell."""

    def __init__(self, board: Board, function_of: Callable[[str], str | None]) -> None:
        self._board = board
        self._function_of = function_of
        self._past: dict[Bar, BarBody] = {}
        """What was shown last of bars that are over: they make most of a busy snapshot, and do not
        change any more."""

    def of(self, lanes: Sequence[Lane]) -> tuple[list[list[BarBody]], int]:
        """Return the bars of each lane, newest first, and how many are left out.

        Each lane has as many as another before one has more.
        """
        past: dict[str, list[Bar]] = defaultdict(list)
        for bar in self._board.past_bars():
            past[bar.pid].append(bar)
        running = [[*itertools.islice(reversed(lane.bars.values()), MOST_BARS)] for lane in lanes]
        ended = [past.get(lane.worker.pid, []) for lane in lanes]
        counts = _shares([len(a) + len(b) for a, b in zip(running, ended, strict=True)])
        segments = MOST_SEGMENTS // max(sum(counts), 1)
        before, self._past = self._past, {}
        bodies = [
            [self._body(bar, segments) for bar in some[:count]]
            + [self._past_body(bar, segments, before) for bar in over[: max(count - len(some), 0)]]
            for some, over, count in zip(running, ended, counts, strict=True)
        ]
        total = sum(map(len, past.values())) + sum(len(lane.bars) for lane in lanes)
        return bodies, total - sum(counts)

    def _past_body(self, bar: Bar, segments: int, before: Mapping[Bar, BarBody]) -> BarBody:
        body = before.get(bar)
        if body is None or len(body.segments) != min(len(bar.segments), segments):
            body = self._body(bar, segments)
        elif body.function is None and (function := self._function_of(bar.id)) is not None:
            body = msgspec.structs.replace(body, function=function)
        self._past[bar] = body
        return body

    def _body(self, bar: Bar, segments: int) -> BarBody:
        return BarBody(
            id=bar.id,
            function=bar.function or self._function_of(bar.id),
            claimed_at=milliseconds(bar.claimed_at),
            ended_at=None if bar.ended_at is None else milliseconds(bar.ended_at),
            attempt=bar.attempt,
            recovered_from=bar.recovered_from,
            state=bar.state,
            segments=[
                SegmentBody(
                    each.step,
                    milliseconds(each.started_at),
                    None if each.ended_at is None else milliseconds(each.ended_at),
                    each.again,
                )
                for each in list(bar.segments)[-segments:]
            ],
        )


def _shares(wanted: Sequence[int]) -> list[int]:
    """Return how many bars each lane has of as many as it wants."""
    counts, room, lanes = [0] * len(wanted), MOST_BARS, list(range(len(wanted)))
    while room and (lanes := [lane for lane in lanes if counts[lane] < wanted[lane]][:room]):
        for lane in lanes:
            counts[lane] += 1
        room -= len(lanes)
    return counts


def milliseconds(seconds: float) -> int:
    """Return a time as pages have it."""
    return round(seconds * 1000)
