"""What the executions of a list are doing: few calls at a time, and never for long."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from gateway.errors import Saturated
from gateway.model.activity import Activity
from gateway.model.execution import Execution
from gateway.presence.workers import Workers
from gateway.updates.activities import CONCURRENT_READS, PAGE_SECONDS, RECENT_SECONDS, Activities
from shared.presence import Claimed, Running
from shared.resonate.clock import ServerClock
from tests.support.gateway.presence import speaking

if TYPE_CHECKING:
    from gateway.backend.client import Backend


class PlayedBackend:
    """Answers reads while it is released, and records them; `ended` are over when they are read."""

    def __init__(self) -> None:
        self.clock = ServerClock()
        self.searches = self
        self.released = asyncio.Event()
        self.released.set()
        self.asked: list[str] = []
        self.most, self._now = 0, 0
        self.ended: set[str] = set()
        self.error: Exception | None = None

    async def with_activity(self, execution: Execution) -> Execution:
        self.asked.append(execution.id)
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            await self.released.wait()
            await asyncio.sleep(0)
        finally:
            self._now -= 1
        if self.error is not None:
            raise self.error
        if execution.id in self.ended:
            return replace(execution, status="resolved", partial=False)
        return replace(execution, activity=Activity("worker-1", 2, None), partial=False)


@pytest.fixture(name="backend")
async def _backend() -> PlayedBackend:
    return PlayedBackend()


@pytest.fixture(name="workers")
def _workers() -> Workers:
    return Workers()


@pytest.fixture(name="activities")
async def _activities(backend: PlayedBackend, workers: Workers) -> Activities:
    return Activities(cast("Backend", backend), workers)


def listed(*ids: str) -> list[Execution]:
    """Return executions as a search finds them."""
    return [Execution(id, "pending", "foo", "null", 1_000, 2_000, partial=True) for id in ids]


def phases(executions: list[Execution]) -> list[str | None]:
    """Return the phase of each."""
    return [execution.phase(time.time()) for execution in executions]


async def test_each_activity_is_read_once(backend: PlayedBackend, activities: Activities) -> None:
    """The executions come back in their order, with their activities; for a second none is read."""
    page = listed("a", "b", "c")

    found = await activities.add_to(page)
    again = await activities.add_to(page[::-1])

    assert [(e.id, e.activity and e.activity.attempt) for e in found] == [(id, 2) for id in "abc"]
    assert phases(found) == ["running"] * 3
    assert again == found[::-1]
    assert backend.asked == ["a", "b", "c"]


async def test_an_activity_is_read_again_after_a_second(
    backend: PlayedBackend, activities: Activities
) -> None:
    """What was read is answered for `RECENT_SECONDS`, and not for longer."""
    await activities.add_to(listed("a"))
    read_at, end = time.monotonic(), time.monotonic() + 5

    while len(backend.asked) == 1:
        assert time.monotonic() < end
        await activities.add_to(listed("a"))
        await asyncio.sleep(0.01)

    assert time.monotonic() - read_at > RECENT_SECONDS * 0.9


async def test_what_is_known_costs_nothing(backend: PlayedBackend, activities: Activities) -> None:
    """Executions that have ended, and those that start later, are not read."""
    (ended,), (later,) = listed("ended"), listed("later")
    ended = replace(ended, status="canceled", partial=False)
    later = replace(later, starts_at=int((time.time() + 60) * 1000))

    found = await activities.add_to([ended, later])

    assert found == [ended, later]
    assert phases(found) == [None, "scheduled"]
    assert backend.asked == []


async def test_a_slow_server_holds_no_list_up(
    backend: PlayedBackend, activities: Activities
) -> None:
    """After half a second a list has what is known by then, and one call is being made."""
    await activities.add_to(listed("known"))
    backend.released.clear()
    began = time.monotonic()

    found = await activities.add_to(listed("known", *map(str, range(200))))

    assert PAGE_SECONDS <= time.monotonic() - began < PAGE_SECONDS + 1
    assert phases(found) == ["running", *[None] * 200]
    assert backend.asked == ["known", "0"]


async def test_lists_take_turns(backend: PlayedBackend, activities: Activities) -> None:
    """However many lists there are, few calls are made at once, and each list gets its share."""
    pages = [listed(*(f"{name}-{n}" for n in range(20))) for name in "abcd"]

    found = await asyncio.gather(*map(activities.add_to, pages))

    assert [phases(page) for page in found] == [["running"] * 20] * 4
    assert backend.most == CONCURRENT_READS
    assert {id[0] for id in backend.asked[:8]} == set("abcd")


async def test_equal_lists_share_their_reads(
    backend: PlayedBackend, activities: Activities
) -> None:
    """Many clients that look at the same page cost one read for each of its executions."""
    page = listed("a", "b", "c")

    found = await asyncio.gather(*(activities.add_to(page) for _ in range(30)))

    assert {tuple(phases(each)) for each in found} == {("running",) * 3}
    assert sorted(backend.asked) == ["a", "b", "c"]


async def test_a_server_that_refuses_is_not_asked_again(
    backend: PlayedBackend, activities: Activities
) -> None:
    """Without an answer the page is as it was found, after one call."""
    backend.error = Saturated("Too many calls are running.")
    page = listed("a", "b", "c")

    assert await activities.add_to(page) == page
    assert backend.asked == ["a"]


async def test_what_ended_meanwhile_is_left_as_listed(
    backend: PlayedBackend, activities: Activities
) -> None:
    """An execution that ended after the search has no phase; the rest of the page has."""
    backend.ended.add("b")
    page = listed("a", "b", "c")

    found = await activities.add_to(page)

    assert phases(found) == ["running", None, "running"]
    assert found[1] == page[1]


async def test_nothing_is_read_after_the_end(
    backend: PlayedBackend, activities: Activities
) -> None:
    """When the gateway stops, the read that runs is given up."""
    backend.released.clear()
    async with activities.running():
        await activities.add_to(listed("a"))

    backend.released.set()
    assert phases(await activities.add_to(listed("a"))) == ["running"]
    assert backend.asked == ["a", "a"]


async def test_what_workers_have_told_is_not_read(
    backend: PlayedBackend, activities: Activities, workers: Workers
) -> None:
    """Only executions of which no worker tells are read, also those of later claims."""
    speaking(
        workers,
        Claimed("__invoke:first", 1, "first"),
        Claimed("__invoke:later", 3, "later"),
        Running("__invoke:later", 3, 3, "worker-2", "pack", is_retried=True, reports=False),
    )

    found = await activities.add_to(listed("first", "later", "other"))

    attempts = [execution.activity and execution.activity.attempt for execution in found]
    assert attempts == [1, 3, 2]
    assert phases(found) == ["running", "retrying", "running"]
    assert backend.asked == ["other"]
