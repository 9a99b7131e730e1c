"""Virtual time: tasks that wait for events, and timers that take no time."""

from __future__ import annotations

import heapq
from collections import deque
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

type Waiting[T] = Generator[Event, None, T]
"""Yields each event that it waits for, and returns a T."""


class Event:
    """Something that happens once."""

    def __init__(self) -> None:
        self.happened = False
        self._waiting: list[Task] = []

    def add(self, task: Task) -> None:
        task.waits_for = self
        self._waiting.append(task)

    def set(self) -> None:
        self.happened = True
        for task in self._waiting:
            if task.waits_for is self:
                task.wake()
        self._waiting.clear()


class Task:
    """Something that runs in a world until it waits for an event."""

    def __init__(self, waiting: Waiting[None], ready: deque[Task]) -> None:
        self.waits_for: Event | None = None
        self._waiting = waiting
        self._ready = ready
        self._error: BaseException | None = None

    def wake(self) -> None:
        self.waits_for = None
        if self not in self._ready:
            self._ready.append(self)

    def interrupt(self, error: BaseException) -> None:
        """Raise an error where the task waits."""
        self._error = error
        self.wake()

    def advance(self) -> None:
        """Run until the next event that has not happened."""
        error, self._error = self._error, None
        try:
            event = next(self._waiting) if error is None else self._waiting.throw(error)
            while event.happened:
                event = next(self._waiting)
        except StopIteration:
            return
        event.add(self)

    def close(self) -> None:
        self.waits_for = None
        self._waiting.close()


class World:
    """Tasks and a clock, which goes on at once when all tasks wait. `now` is in seconds."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now
        self._ready: deque[Task] = deque()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._tasks: list[Task] = []

    def spawn(self, waiting: Waiting[None]) -> Task:
        task = Task(waiting, self._ready)
        self._tasks.append(task)
        self._ready.append(task)
        return task

    def at(self, time: float, action: Callable[[], None]) -> None:
        """Do something at a time, or now if the time has passed."""
        heapq.heappush(self._timers, (time, next(self._numbers), action))

    def pause(self, seconds: float) -> Waiting[None]:
        event = Event()
        self.at(self.now + seconds, event.set)
        yield event

    def run(self, end: Event) -> None:
        """Run until an event happens."""
        while not end.happened:
            if self._ready:
                self._ready.popleft().advance()
            elif self._timers:
                time, _, action = heapq.heappop(self._timers)
                self.now = max(self.now, time)
                action()
            else:
                raise RuntimeError("every task waits, and nothing is to come")

    def close(self) -> None:
        """End the tasks that still wait."""
        for task in self._tasks:
            task.close()
