"""The server's clock, as it is measured by the dates of its answers."""

from __future__ import annotations

import random
from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING

import pytest

from shared.resonate.clock import ServerClock

if TYPE_CHECKING:
    from structlog.typing import EventDict

NOON = 1_795_521_600.0


@dataclass
class World:
    """A moment, and this machine's clock, which is wrong by `skew`."""

    now: float = NOON
    skew: float = 0.0

    def local(self) -> float:
        return self.now + self.skew

    def ask(self, clock: ServerClock, count: int = 1, took: float = 0.02) -> None:
        """Let the server answer, some time apart, each answer after `took` seconds."""
        chance = random.Random(1)
        for _ in range(count):
            self.now += chance.uniform(0.05, 0.3)
            asked_at = self.local()
            self.now += took / 2
            date = formatdate(int(self.now), usegmt=True)
            self.now += took / 2
            clock.learn(date, asked_at)


@pytest.mark.parametrize("skew", [-30.0, -3.3, -0.4, 0.0, 0.4, 3.3, 30.0])
def test_the_servers_time_is_known_after_some_answers(skew: float) -> None:
    """However wrong the local clock is, many answers give the server's time to a tenth."""
    world = World(skew=skew)
    clock = ServerClock(world.local)

    world.ask(clock, 100)

    assert clock.time() == pytest.approx(world.now, abs=0.1)
    assert clock.skew == pytest.approx(-skew, abs=0.15)


def test_one_answer_gives_half_a_second() -> None:
    """One answer already corrects a clock that is far off."""
    world = World(skew=-30.0)
    clock = ServerClock(world.local)
    assert (clock.measured, clock.skew, clock.time()) == (False, 0.0, world.local())

    world.ask(clock)

    assert clock.measured
    assert clock.time() == pytest.approx(world.now, abs=0.6)


def test_a_right_clock_is_left_alone() -> None:
    """A clock that may be right is not corrected, so times stay those of the machine."""
    world = World()
    clock = ServerClock(world.local)

    for _ in range(50):
        world.ask(clock)
        assert (clock.skew, clock.time()) == (0.0, world.local())


@pytest.mark.parametrize("to", [20.0, -20.0, 0.0])
def test_a_clock_that_is_set_is_measured_anew(to: float) -> None:
    """When either clock jumps, the next answer counts and not those before."""
    world = World(skew=5.0)
    clock = ServerClock(world.local)
    world.ask(clock, 50)

    world.skew = to
    world.ask(clock)

    assert clock.time() == pytest.approx(world.now, abs=0.6)


def test_a_slow_answer_says_little() -> None:
    """An answer that took 40 s does not move what fast ones have said."""
    world = World(skew=3.0)
    clock = ServerClock(world.local)
    world.ask(clock, 50)

    world.ask(clock, 3, took=40.0)

    assert clock.time() == pytest.approx(world.now, abs=0.3)


@pytest.mark.parametrize("date", [None, "", "yesterday", "Mon, 99 Foo 2026 00:00:00 GMT"])
def test_an_answer_without_a_date_says_nothing(date: str | None) -> None:
    """A proxy's answer without a date, or with nonsense, is ignored."""
    clock = ServerClock(lambda: NOON)

    clock.learn(date, NOON)

    assert (clock.measured, clock.time()) == (False, NOON)


def test_a_difference_is_logged_once_and_so_is_its_end(log: list[EventDict]) -> None:
    """Beyond a second a line says by how much, and another one when that is over."""
    world = World(skew=0.8)
    clock = ServerClock(world.local)
    world.ask(clock, 50)
    assert log == []

    world.skew = -4.0
    world.ask(clock, 50)
    world.skew = 0.1
    world.ask(clock, 50)

    assert [line["event"] for line in log] == [
        "clock differs from the server's",
        "clock agrees with the server's again",
    ]
    assert 3 <= log[0]["seconds"] <= 4
