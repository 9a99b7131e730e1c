"""The goals, and what a record says of each."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bench.report.measures import Figure, against_stock, grown, largest, plain, ratio, within

if TYPE_CHECKING:
    from bench.record import Record
    from bench.report.measures import Measure

TICK_MS: Final = 50
"""Milliseconds between two turns of an idle server, for which a notification may have to wait."""


@dataclass(frozen=True)
class Goal:
    """One thing that a record can reach: its median is at least `least`, or at most `most`."""

    number: int
    text: str
    measure: Measure
    least: float | None = None
    most: float | None = None
    unit: str = "x"

    @property
    def bound(self) -> str:
        sign, bound = ("≥", self.least) if self.least is not None else ("≤", self.most)
        return f"{sign} {bound:g} {self.unit}".strip()

    def reached(self, median: float) -> bool:
        low = self.least is None or median >= self.least
        return low and (self.most is None or median <= self.most)


@dataclass(frozen=True)
class Result:
    """A goal and what was measured; without `rounds` it was not."""

    goal: Goal
    detail: str
    rounds: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    @property
    def verdict(self) -> str:
        if not self.rounds:
            return "not measured"
        return "reached" if self.goal.reached(self.median) else "**missed**"


def results(record: Record) -> list[Result]:
    """Return what a record says of each goal."""
    return [Result(goal, *goal.measure(record)) for goal in GOALS]


def _ours(part: str, case: str, value: str = "rate") -> Figure:
    return Figure(part, "ours", case, value)


def _stock(part: str, case: str, value: str = "rate") -> Measure:
    return against_stock(_ours(part, case, value))


def _begins() -> tuple[Goal, ...]:
    alone, working = _ours("begin", "unique"), _ours("begin-working", "unique")
    server = alone._replace(subject="server")
    return (
        Goal(1, "begins/s, of the stock stack's", against_stock(alone), least=5),
        Goal(1, "begins/s, of the server's alone", ratio(alone, server), least=0.4),
        Goal(1, "begins/s while 3 workers work, of the stock's", against_stock(working), least=2.5),
        Goal(
            1, "p99 of these begins, of the stock's", _stock("begin", "unique", "p99_ms"), most=0.5
        ),
        Goal(
            1,
            "p99 of these begins while 3 workers work, of the stock's",
            _stock("begin-working", "unique", "p99_ms"),
            most=0.5,
        ),
    )


def _waits() -> tuple[Goal, ...]:
    bare = Figure("wait", "aiohttp", "finished")
    return tuple(
        goal
        for case in ("finished", "pending")
        for goal in (
            Goal(2, f"waits/s, {case}, of the stock stack's", _stock("wait", case), least=20),
            Goal(
                2,
                f"waits/s, {case}, of bare aiohttp's",
                ratio(_ours("wait", case), bare),
                least=0.6,
            ),
        )
    )


def _executions() -> tuple[Goal, ...]:
    woken = plain(_ours("wake-up", "one client", "p50_ms"))
    return (
        Goal(3, "`foo`/s begin to done, of the stock stack's", _stock("jobs", "foo"), least=5),
        Goal(3, "three steps/s begin to done, of the stock's", _stock("jobs", "steps-3"), least=5),
        Goal(4, "idle, begin to result", plain(_ours("idle", "foo", "p50_ms")), most=60, unit="ms"),
        Goal(4, "long poll, stored to answered", woken, most=20 + TICK_MS, unit="ms"),
        Goal(4, "40 light steps", plain(_ours("idle", "steps-40", "p50_ms")), most=200, unit="ms"),
    )


def _growth() -> tuple[Goal, ...]:
    finished = (
        Goal(
            5,
            f"{kind}/s beside finished executions, {subject}",
            grown(Figure("finished", subject, kind)),
            least=0.8,
        )
        for subject in ("ours", "ours-postgres")
        for kind in ("begin", "foo")
    )
    first, slots = (
        _ours("backlog", "a worker comes", value) for value in ("first_s", "all_slots_s")
    )
    comeback = plain(_ours("comeback", "", "first_s"))
    killed = largest(_ours("killed", "", "seconds"))
    core = "server_core"
    return (
        *finished,
        Goal(
            6,
            "server, idle beside waiting",
            largest(_ours("backlog", "idle", core)),
            most=0.15,
            unit="core",
        ),
        Goal(6, "begins/s beside waiting", grown(_ours("backlog", "begin")), least=0.7),
        Goal(6, "a worker comes: its first job", plain(first), most=1, unit="s"),
        Goal(6, "a worker comes: 16 slots busy", plain(slots), most=2, unit="s"),
        Goal(
            6,
            "server, all slots busy",
            largest(_ours("backlog", "busy", core)),
            most=0.15,
            unit="core",
        ),
        Goal(6, "10 waiting, workers after 10 minutes", comeback, most=2, unit="s"),
        Goal(6, "worker killed with offers, all ended", killed, most=10, unit="s"),
    )


def _histories() -> tuple[Goal, ...]:
    steps = "many-steps"
    beside = within(_ours(steps, "", "neighbours_p99_ms"), "neighbours_alone_p99_ms")
    return (
        Goal(
            7,
            "loop of step and sleep, last turns to first",
            largest(_ours("turns", "", "ratio")),
            most=1.5,
        ),
        Goal(7, "many steps in one body", largest(_ours(steps, "", "seconds")), most=20, unit="s"),
        Goal(7, "p99 of its neighbours, of that without it", beside, most=1.2),
        Goal(7, "children of children", largest(_ours("nested", "", "seconds")), most=5, unit="s"),
        Goal(
            8,
            "long polls, answers other than 200",
            largest(_ours("crowd", "", "failed")),
            most=0,
            unit="",
        ),
        Goal(
            8, "memory of a long poll", largest(_ours("crowd", "", "kib_each")), most=15, unit="KiB"
        ),
        Goal(8, "begins/s beside the long polls", largest(_ours("crowd", "", "ratio")), least=0.9),
    )


def _processor() -> tuple[Goal, ...]:
    cpu = "cpu_gateway_us"
    begin, bare = _ours("begin", "unique", cpu), Figure("wait", "aiohttp", "finished", cpu)
    return (
        Goal(
            9,
            "gateway's CPU of a begin, of bare aiohttp's",
            ratio(begin, begin._replace(subject="aiohttp")),
            most=4,
        ),
        *(
            Goal(
                9,
                f"gateway's CPU of a wait, {case}, of bare aiohttp's",
                ratio(_ours("wait", case, cpu), bare),
                most=1.5,
            )
            for case in ("finished", "pending")
        ),
    )


GOALS: Final = (
    *_begins(),
    *_waits(),
    *_executions(),
    *_growth(),
    *_histories(),
    *_processor(),
)
