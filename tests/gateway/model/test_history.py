"""Which events may be published while an execution runs: equal on every gateway, in order."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gateway.model.history import History
from gateway.model.timeline import timeline
from tests.support.gateway.histories import part, plain, root, sleep, step

if TYPE_CHECKING:
    from gateway.model.execution import Execution
    from gateway.model.stored_promise import StoredPromise
    from gateway.model.timeline import Event


class Server:
    """An execution of random steps, sleeps and ties, each stored a little after its stamp.

    What is stored becomes visible in any order within 90 ms of its stamp, the end after all else.
    """

    def __init__(self, seed: int) -> None:
        chance = random.Random(seed)
        now, self.parts, self._visible = 1_000, [], {}  # type: ignore[var-annotated]
        for n in range(1, 25):
            now += chance.choice([0, 0, 1, 5, 300])
            ended = now + chance.choice([0, 1, 40, 700])
            made = sleep(n, now, ended) if chance.random() < 0.2 else step(n, now, ended)
            if chance.random() < 0.2:
                marker = part(f"attempt.{n}", now, worker="w2", attempt=n, recovered_from="w1")
                self._see(marker, now + chance.uniform(0, 90), None)
            begun = now + chance.uniform(0, 90)
            self._see(made, begun, max(begun, ended + chance.uniform(0, 90)))
            now = ended
        self.end = now
        self._end_visible = max(now, *(b or a for a, b in self._visible.values()))

    def _see(self, made: StoredPromise, begun: float, ended: float | None) -> None:
        self.parts.append(made)
        self._visible[made.id] = (begun, ended)

    def read(self, began: float, ended: float) -> tuple[Execution, list[StoredPromise]]:
        """Return the execution at one moment, and what it created at a later one."""
        found = []
        for made in self.parts:
            begun, over = self._visible[made.id]
            if begun <= ended:
                done = over is not None and over <= ended
                found.append(made if done else replace(made, state="PENDING", completed_on=None))
        return root(ended=self.end if self._end_visible <= began else None), found


def follow(server: Server, seed: int) -> list[Event]:
    """Read at random moments until the end; check that events are only ever appended."""
    chance, story, now = random.Random(seed), History(), 1_100.0
    while not story.over:
        began, now = now, now + chance.uniform(1, 60)
        before = list(story.events)
        execution, parts = server.read(began, now)
        chance.shuffle(parts)
        story.learn(execution, parts, began / 1000, now / 1000)
        assert plain(story.events[: len(before)]) == plain(before)
        now += chance.choice([10, 50, 200, 600, 1_000])
    return story.events


@pytest.mark.parametrize("seed", range(100))
def test_two_gateways_publish_the_same(seed: int) -> None:
    """Two gateways that read at different times publish the same events, those of the store."""
    server = Server(seed)

    first, second = follow(server, seed + 1_000), follow(server, seed + 2_000)

    whole = plain(timeline(root(ended=server.end), server.parts))
    assert plain(first) == plain(second) == whole


def test_nothing_is_published_before_it_is_confirmed() -> None:
    """An event is published by the next read that begins long enough after the first."""
    story = History()

    assert story.learn(root(), [], 10.0, 10.1) is True
    assert story.learn(root(), [step(1, 1_050)], 10.15, 10.2) is True
    assert story.events == []
    assert story.learn(root(), [], 10.31, 10.32) is False

    assert [event.key for event in story.events] == [(1_000, 0, 0), (1_050, 1, 0), (1_050, 1, 1)]


def test_a_straggler_takes_its_place() -> None:
    """An event that becomes visible after a later event is published before it."""
    story = History()
    story.learn(root(), [step(2, 1_105)], 10.0, 10.1)
    story.learn(root(), [step(1, 1_100, 1_104)], 10.3, 10.4)

    assert story.events == timeline(root(), [step(1, 1_100, 1_104), step(2, 1_105)])


def test_the_end_is_published_at_once() -> None:
    """At the end all events are published, though only one read has seen them."""
    story = History()

    assert story.learn(root(ended=1_400), [step(1, 1_100, 1_300)], 10.0, 10.1) is False

    assert story.over
    assert plain(story.events) == plain(timeline(root(ended=1_400), [step(1, 1_100, 1_300)]))


def test_what_can_change_no_more_is_known() -> None:
    """Parts that have ended, and records of recoveries, are not read again; open parts are."""
    story = History()
    marker = part("attempt.2", 1_200, worker="w2", attempt=2, recovered_from="w1")
    story.learn(root(), [step(1, 1_100), step(2, 1_150, 1_160), marker], 10.0, 10.1)

    assert story.known == {"job-1.2", "job-1.attempt.2"}


def test_what_was_forgotten_is_read_anew() -> None:
    """After a restore of the store, published events stay, and only later ones follow them."""
    story = History()
    story.learn(root(), [step(1, 1_100, 1_200), step(2, 1_300)], 10.0, 10.1)
    story.learn(root(), [], 10.3, 10.4)
    published = list(story.events)

    story.forget()
    assert (story.known, story.unfinished, len(story)) == (set(), set(), 0)
    story.learn(root(ended=1_600), [step(1, 1_400, 1_500)], 10.5, 10.6)

    assert story.over
    assert story.events[: len(published)] == published
    whole = timeline(root(ended=1_600), [step(1, 1_400, 1_500)])
    assert plain(story.events[len(published) :]) == plain(whole[1:])
