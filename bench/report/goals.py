"""The goals, and what a record says of each."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from bench.report.measures import Figure, against_stock, grown, largest, plain, ratio, within

if TYPE_CHECKING:
    from bench.record import Record
    from bench.report.measures import Measure

TICK_MS: Final = 50
"""Milliseconds between two turns of an idle server, for which a notification may have to wait."""


@dataclass(frozen=True)
class Goal:
    """One thing that a record can reach: its median is at least `least`, or at most `most`.

    A goal that is about a `size`, such as of a backlog, is not reached by less.
    """

    number: int
    text: str
    measure: Measure
    least: float | None = None
    most: float | None = None
    unit: str = "x"
    size: int = 0

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
        if not self.goal.reached(self.median):
            return "**missed**"
        size = int("".join(filter(str.isdigit, self.detail)) or 0)
        return "reached" if size >= self.goal.size else f"not measured at {self.goal.size:,}"


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
    return tuple(
        Goal(
            5,
            f"{kind}/s beside finished executions, {subject}",
            grown(Figure("finished", subject, kind)),
            least=0.8,
            size=1_000_000,
        )
        for subject in ("ours", "ours-postgres")
        for kind in ("begin", "foo")
    )


def _backlog() -> tuple[Goal, ...]:
    def of(case: str, value: str, part: str = "backlog") -> Measure:
        return largest(_ours(part, case, value))

    goal, core, come = partial(Goal, 6, size=100_000), "server_core", "a worker comes"
    begins = grown(_ours("backlog", "begin"))
    return (
        goal("server, idle beside waiting", of("idle", core), most=0.15, unit="core"),
        goal("begins/s beside waiting", begins, least=0.7),
        goal("a worker comes: its first job", of(come, "first_s"), most=1, unit="s"),
        goal("a worker comes: 16 slots busy", of(come, "all_slots_s"), most=2, unit="s"),
        goal("server, all slots busy", of("busy", core), most=0.15, unit="core"),
        Goal(6, "workers after 10 minutes", of("", "first_s", "comeback"), most=2, unit="s"),
        Goal(
            6,
            "what waits when the only worker is killed",
            of("", "seconds", "killed"),
            most=10,
            unit="s",
        ),
    )


def _histories() -> tuple[Goal, ...]:
    def of(part: str, value: str = "seconds") -> Measure:
        return largest(_ours(part, "", value))

    steps = "many-steps"
    beside = within(_ours(steps, "", "neighbours_p99_ms"), "neighbours_alone_p99_ms")
    long, crowd = partial(Goal, 7, size=5_000), partial(Goal, 8, size=10_000)
    return (
        Goal(7, "a loop's last turns, of its first", of("turns", "ratio"), most=1.5, size=1_000),
        long("many steps in one body", of(steps), most=20, unit="s"),
        long("p99 of its neighbours, of that without it", beside, most=1.2),
        Goal(7, "children of children", of("nested"), most=5, unit="s", size=150),
        crowd("long polls not answered 200", of("crowd", "failed"), most=0, unit=""),
        crowd("memory of a long poll", of("crowd", "kib_each"), most=15, unit="KiB"),
        crowd("begins/s beside the long polls", of("crowd", "ratio"), least=0.9),
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


def _recovery() -> tuple[Goal, ...]:
    def of(case: str, value: str) -> Measure:
        return plain(_ours("recovery", case, value))

    loaded = "SIGKILL, 200 begins/s"
    return tuple(
        Goal(10, f"{case}: next step elsewhere, {words}", of(case, value), most=most, unit="s")
        for case, value, words, most in (
            ("SIGKILL", "median_s", "median", 0.15),
            ("SIGKILL", "max_s", "longest", 0.6),
            (loaded, "median_s", "median", 0.15),
            (loaded, "max_s", "longest", 0.6),
            ("SIGTERM", "median_s", "median", 0.15),
        )
    )


GOALS: Final = (
    *_begins(),
    *_waits(),
    *_executions(),
    *_growth(),
    *_backlog(),
    *_histories(),
    *_processor(),
    *_recovery(),
)
