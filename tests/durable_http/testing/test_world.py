"""Virtual time: tasks, events and timers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from durable_http.testing.simulation.world import Event, World

if TYPE_CHECKING:
    from durable_http.testing.simulation.world import Waiting


def test_timers_come_in_their_order() -> None:
    """The clock goes to each timer in turn; timers of the same time come as they were set."""
    world, end, seen = World(5.0), Event(), list[tuple[float, str]]()
    for time, name in ((9.0, "c"), (7.0, "a"), (7.0, "b"), (1.0, "past")):
        world.at(time, lambda name=name: seen.append((world.now, name)))  # type: ignore[misc]
    world.at(10.0, end.set)
    world.run(end)

    assert seen == [(5.0, "past"), (7.0, "a"), (7.0, "b"), (9.0, "c")]


def test_an_interrupted_task_waits_no_more() -> None:
    """An event that a task has waited for before it was interrupted does not wake it."""
    world, first, second, end = World(), Event(), Event(), Event()
    seen: list[float] = []

    def work() -> Waiting[None]:
        try:
            yield first
        except KeyError:
            yield second
        seen.append(world.now)
        end.set()

    task = world.spawn(work())
    world.at(1.0, lambda: task.interrupt(KeyError()))
    world.at(2.0, first.set)
    world.at(3.0, second.set)
    world.run(end)

    assert seen == [3.0]


def test_a_world_without_a_future_is_an_error() -> None:
    """If nothing is to come there is no end to wait for."""
    with pytest.raises(RuntimeError, match="nothing is to come"):
        World().run(Event())


def test_closing_ends_the_tasks() -> None:
    """Tasks that still wait are closed."""
    world, closed = World(), list[bool]()

    def work() -> Waiting[None]:
        try:
            yield Event()
        finally:
            closed.append(True)

    world.spawn(work())
    end = Event()
    world.at(1.0, end.set)
    world.run(end)
    world.close()

    assert closed == [True]
